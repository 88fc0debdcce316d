//! The first half of the pipeline: a file becomes chunks of tar, and two digests on the way.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
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
    let mut blob = HashingReader::new(file);
    let first = blob.fill_buf().during("read", name)?;
    let compression = Compression::parse(word, first)?;
    blob.hashing = compression != Compression::None; // plain: both digests are one
    thread::scope(|scope| {
        let (to_parser, chunks) = sync_channel(POOL);
        let (to_hasher, to_hash) = sync_channel(POOL);
        let reader = scope.spawn(move || {
            let shown = source.display().to_string();
            let size = read_all(&mut blob, compression, most, &shown, &to_parser, &to_hasher);
            match size {
                Ok(size) => Some((blob, size)),
                Err(error) => {
                    drop(to_parser.send(Err(error))); // nobody listens when the parser failed first
                    None
                }
            }
        });
        let hasher = scope.spawn(move || hash_all(&to_hash));
        let mut feed = Feed::new(Box::new(move || chunks.recv().ok().transpose()), most);
        let consumed = consume(&mut feed).and_then(|value| feed.drain().map(|()| value));
        drop(feed); // the reader stops at its next chunk
        let ended = reader.join().unwrap_or(None);
        let diff_id = hasher.join();
        let value = consumed?;
        match (ended, diff_id) {
            (Some((blob, tar_size)), Ok(diff_id)) => {
                let (sum, blob_size) = blob.finish();
                Ok((value, Totals { blob: sum.unwrap_or(diff_id), blob_size, diff_id, tar_size }))
            }
            _ => Err(Error::System { errno: 0, detail: format!("a thread that read {} died", source.display()) }),
        }
    })
}

type Sink = SyncSender<Result<Arc<Chunk>>>;

/// Inflates to the end; returns the tar's size. It is no error that nobody wants the rest.
fn read_all(
    blob: &mut HashingReader,
    compression: Compression,
    most: u64,
    name: &str,
    to_parser: &Sink,
    to_hasher: &SyncSender<Arc<Chunk>>,
) -> Result<u64> {
    let (home, pool) = channel();
    for _ in 0..POOL {
        drop(home.send(Vec::new()));
    }
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
        if to_hasher.send(chunk.clone()).is_err() || to_parser.send(Ok(chunk)).is_err() {
            break;
        }
    }
    Ok(total)
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match stream.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn hash_all(chunks: &Receiver<Arc<Chunk>>) -> Sha256Sum {
    let mut hasher = Hasher::new();
    for chunk in chunks {
        hasher.update(chunk.bytes());
    }
    hasher.finish()
}

/// A buffered file whose bytes are hashed as they are consumed.
struct HashingReader {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    size: u64,
    hasher: Hasher,
    hashing: bool,
}

impl HashingReader {
    fn new(file: File) -> Self {
        Self { file, buffer: vec![0; READ], start: 0, end: 0, size: 0, hasher: Hasher::new(), hashing: true }
    }

    fn finish(self) -> (Option<Sha256Sum>, u64) {
        (self.hashing.then(|| self.hasher.finish()), self.size)
    }
}

impl BufRead for HashingReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start == self.end {
            match self.file.read(&mut self.buffer) {
                Ok(count) => {
                    (self.start, self.end) = (0, count);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        let end = (self.start + count).min(self.end);
        if self.hashing {
            self.hasher.update(&self.buffer[self.start..end]);
        }
        self.size += (end - self.start) as u64;
        self.start = end;
    }
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
