//! The first half of the pipeline: a file becomes chunks of tar, and two digests on the way.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::budget::Limits;
use super::codec::{Compression, broken, decoder};
use super::digest::{Hasher, Sha256Sum};
use super::error::{Error, Result, While};
use super::feed::{Chunk, Feed, too_large};

const CHUNK: usize = 1 << 20;
/// How many chunks exist at once: this bounds the memory of a pass.
const POOL: usize = 24;
const READ: usize = 256 << 10;
/// How many buffers of the file itself exist.
const READS: usize = 8;

/// What is known when the whole file has been read.
pub struct Totals {
    /// The digest of the file's bytes.
    pub blob: Sha256Sum,
    /// How many they are.
    pub blob_size: u64,
    /// The digest of the tar.
    pub diff_id: Sha256Sum,
    /// The tar's size.
    pub tar_size: u64,
}

/// Opens `source`, hands its tar to `consume`, and reads on to the end whatever `consume` left.
pub fn with_tar<T>(
    source: &Path,
    word: &str,
    limits: &Limits,
    consume: impl FnOnce(&mut Feed<'_>) -> Result<T>,
) -> Result<(T, Totals)> {
    let name = source.as_os_str().as_bytes();
    let file = File::open(source).during("open", name)?;
    let most = limits.tar_bytes(file.metadata().during("stat", name)?.len());
    let mut blob = Blob::new(file);
    let first = blob.fill_buf().during("read", name)?;
    let compression = Compression::parse(word, first)?;
    thread::scope(|scope| {
        let (to_parser, chunks) = sync_channel(POOL);
        let (to_hasher, to_hash) = sync_channel(POOL);
        let hasher = scope.spawn(move || hash_all(&to_hash));
        let reader = scope.spawn(move || {
            if compression != Compression::None {
                blob.hash_by(to_hasher.clone()); // of a plain tar both digests are one
            }
            let shown = source.display().to_string();
            let size = read_all(&mut blob, compression, most, &shown, &to_parser, &to_hasher);
            match size {
                Ok(size) => Some((blob.size, size)),
                Err(error) => {
                    drop(to_parser.send(Err(error))); // nobody listens when the parser failed first
                    None
                }
            }
        });
        let mut feed = Feed::new(Box::new(move || chunks.recv().ok().transpose()), most);
        let consumed = consume(&mut feed).and_then(|value| feed.drain().map(|()| value));
        drop(feed); // the reader stops at its next chunk
        let ended = reader.join().unwrap_or(None);
        let sums = hasher.join();
        let value = consumed?;
        match (ended, sums) {
            (Some((blob_size, tar_size)), Ok((blob, diff_id))) => {
                let blob = if compression == Compression::None { diff_id } else { blob };
                Ok((value, Totals { blob, blob_size, diff_id, tar_size }))
            }
            _ => Err(Error::System { errno: 0, detail: format!("a thread that read {} died", source.display()) }),
        }
    })
}

type Sink = SyncSender<Result<Arc<Chunk>>>;

/// Inflates to the end; returns the tar's size. It is no error that nobody wants the rest.
fn read_all(
    blob: &mut Blob,
    compression: Compression,
    most: u64,
    name: &str,
    to_parser: &Sink,
    to_hasher: &SyncSender<Part>,
) -> Result<u64> {
    let (home, pool) = pool(POOL);
    let mut stream = decoder(blob, compression).map_err(|error| broken(&error, name))?;
    let mut total = 0;
    while let Ok(mut memory) = pool.recv() {
        memory.resize(CHUNK, 0);
        let len = fill(&mut stream, &mut memory).map_err(|error| broken(&error, name))?;
        if len == 0 {
            break;
        }
        total += len as u64;
        if total > most {
            return too_large(most);
        }
        let chunk = Arc::new(Chunk::new(memory, len, Some(home.clone())));
        if to_hasher.send(Part::Tar(chunk.clone())).is_err() || to_parser.send(Ok(chunk)).is_err() {
            break;
        }
    }
    Ok(total)
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match retried(|| stream.read(&mut buffer[len..]))? {
            0 => break,
            count => len += count,
        }
    }
    Ok(len)
}

fn retried(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Buffers that come home when their chunks are dropped.
fn pool(count: usize) -> (Sender<Vec<u8>>, Receiver<Vec<u8>>) {
    let (home, pool) = channel();
    for _ in 0..count {
        drop(home.send(Vec::new()));
    }
    (home, pool)
}

/// What the hasher gets: bytes of the file, or of the tar inside.
enum Part {
    Blob(Arc<Chunk>),
    Tar(Arc<Chunk>),
}

/// Returns both digests.
fn hash_all(parts: &Receiver<Part>) -> (Sha256Sum, Sha256Sum) {
    let (mut blob, mut tar) = (Hasher::new(), Hasher::new());
    for part in parts {
        match part {
            Part::Blob(bytes) => blob.update(bytes.bytes()),
            Part::Tar(bytes) => tar.update(bytes.bytes()),
        }
    }
    (blob.finish(), tar.finish())
}

/// A buffered file whose buffers go on to the hasher.
struct Blob {
    file: File,
    buffer: Option<Arc<Chunk>>,
    start: usize,
    size: u64,
    home: Sender<Vec<u8>>,
    pool: Receiver<Vec<u8>>,
    hasher: Option<SyncSender<Part>>,
}

impl Blob {
    fn new(file: File) -> Self {
        let (home, pool) = pool(READS);
        Self { file, buffer: None, start: 0, size: 0, home, pool, hasher: None }
    }

    /// From here on all is hashed, the first buffer too, which was read to guess the compression.
    fn hash_by(&mut self, hasher: SyncSender<Part>) {
        if let Some(buffer) = &self.buffer {
            drop(hasher.send(Part::Blob(buffer.clone()))); // it lives as long as this reader
        }
        self.hasher = Some(hasher);
    }

    fn next(&mut self) -> io::Result<()> {
        self.buffer = None; // let go before waiting: the pool may be empty
        let mut memory = self.pool.recv().unwrap_or_default();
        memory.resize(READ, 0);
        let count = retried(|| self.file.read(&mut memory))?;
        let buffer = Arc::new(Chunk::new(memory, count, Some(self.home.clone())));
        if let Some(hasher) = &self.hasher {
            drop(hasher.send(Part::Blob(buffer.clone())));
        }
        self.size += count as u64;
        (self.buffer, self.start) = (Some(buffer), 0);
        Ok(())
    }
}

impl BufRead for Blob {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.buffer.as_ref().is_none_or(|buffer| self.start >= buffer.bytes().len()) {
            self.next()?;
        }
        Ok(self.buffer.as_ref().map_or(&[], |buffer| &buffer.bytes()[self.start..]))
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
