//! The second thread of making: it takes the tar in chunks, and leaves a blob and two digests.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::super::codec::{Compression, Encoder};
use super::super::digest::{Hasher, Sha256Sum};
use super::super::error::{Error, Result, While};
use super::super::source::Totals;

const CHUNK: usize = 1 << 20;
const QUEUE: usize = 8;

/// Where the tar goes.
pub struct Sink {
    queue: SyncSender<Vec<u8>>,
    chunk: Vec<u8>,
    size: u64,
}

impl Sink {
    /// Adds bytes.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        self.size += data.len() as u64;
        self.chunk.extend_from_slice(data);
        if self.chunk.len() >= CHUNK { self.pass_on() } else { Ok(()) }
    }

    /// Fills the last block up.
    pub fn pad(&mut self) -> Result<()> {
        let missing = (self.size.wrapping_neg() % 512) as usize;
        self.write(&[0; 512][..missing])
    }

    fn pass_on(&mut self) -> Result<()> {
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK + 512));
        self.queue.send(full).or_else(|_| stopped())
    }
}

/// What the walk gets when the other thread has failed; [`with_sink`] puts that thread's own error in its place.
fn stopped<T>() -> Result<T> {
    Err(Error::System { errno: 0, detail: "the compressing thread stopped".into() })
}

/// Runs `walk`, which writes the tar, beside the thread that compresses it into `file`.
pub fn with_sink<T>(
    file: File,
    compression: Compression,
    walk: impl FnOnce(&mut Sink) -> Result<T>,
) -> Result<(T, Totals)> {
    thread::scope(|scope| {
        let (queue, chunks) = sync_channel(QUEUE);
        let thread = scope.spawn(move || compress(file, compression, &chunks).during("write", b"the blob"));
        let mut sink = Sink { queue, chunk: Vec::new(), size: 0 };
        let walked = walk(&mut sink).and_then(|value| sink.pass_on().map(|()| value));
        drop(sink);
        let totals = thread.join().unwrap_or_else(|_| stopped())?;
        Ok((walked?, totals))
    })
}

fn compress(file: File, compression: Compression, chunks: &Receiver<Vec<u8>>) -> io::Result<Totals> {
    let mut stream = Encoder::new(Blob { file, size: 0, hasher: Hasher::new() }, compression)?;
    let mut diff = Hasher::new();
    let mut tar_size = 0;
    for chunk in chunks {
        diff.update(&chunk);
        tar_size += chunk.len() as u64;
        stream.write_all(&chunk)?;
    }
    let blob = stream.finish()?;
    let blob_sum: Sha256Sum = blob.hasher.finish();
    Ok(Totals { blob: blob_sum, blob_size: blob.size, diff_id: diff.finish(), tar_size })
}

/// A file whose bytes are hashed as they are written.
struct Blob {
    file: File,
    size: u64,
    hasher: Hasher,
}

impl Write for Blob {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.file.write(data)?;
        self.hasher.update(&data[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
