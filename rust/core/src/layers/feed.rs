//! The parser's view of the tar: blocks to look at, pieces to pass on.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::error::{Result, invalid};

/// A tar is made of blocks of this size.
pub const BLOCK: usize = 512;

/// Some bytes of the tar. When the last holder lets go, the memory goes back to the pool.
pub struct Chunk {
    data: Vec<u8>,
    len: usize,
    home: Option<Sender<Vec<u8>>>,
}

impl Chunk {
    /// Takes the first `len` bytes of `data`; `home` gets the memory back.
    pub fn new(data: Vec<u8>, len: usize, home: Option<Sender<Vec<u8>>>) -> Self {
        Self { len: len.min(data.len()), data, home }
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.data[..self.len]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // The reader may have ended already: then the memory is simply freed.
            drop(home.send(std::mem::take(&mut self.data)));
        }
    }
}

/// A part of a chunk that keeps the chunk alive.
#[derive(Clone)]
pub struct Piece {
    chunk: Arc<Chunk>,
    start: usize,
    end: usize,
}

impl Piece {
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.chunk.bytes()[self.start..self.end]
    }
}

/// Where the next chunk comes from; `None` at the end of the tar.
pub type Next<'a> = Box<dyn FnMut() -> Result<Option<Arc<Chunk>>> + 'a>;

/// A reader over chunks.
pub struct Feed<'a> {
    next: Next<'a>,
    chunk: Option<Arc<Chunk>>,
    position: usize,
    offset: u64,
    most: u64,
}

impl<'a> Feed<'a> {
    /// Starts at the beginning of the tar, which may have `most` bytes.
    pub fn new(next: Next<'a>, most: u64) -> Self {
        Self { next, chunk: None, position: 0, offset: 0, most }
    }

    /// Refuses an entry that is larger than all that may follow, before anything of it is written.
    pub fn expect(&self, size: u64) -> Result<()> {
        match self.offset.checked_add(size) {
            Some(end) if end <= self.most => Ok(()),
            _ => too_large(self.most),
        }
    }

    /// Returns how many bytes were consumed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the current chunk if there are bytes left in it or after it.
    fn current(&mut self) -> Result<Option<&Arc<Chunk>>> {
        while self.chunk.as_ref().is_none_or(|chunk| self.position >= chunk.len) {
            self.position = 0;
            self.chunk = None; // let go before waiting: the pool may be empty
            self.chunk = (self.next)()?;
            if self.chunk.is_none() {
                return Ok(None);
            }
        }
        Ok(self.chunk.as_ref())
    }

    /// Returns between 1 and `most` bytes without copying; the tar must not end here.
    pub fn piece(&mut self, most: u64) -> Result<Piece> {
        let Some(chunk) = self.current()?.cloned() else { return invalid("the archive ends inside an entry") };
        let start = self.position;
        let len = (chunk.len - start).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.position = start + len;
        self.offset += len as u64;
        Ok(Piece { chunk, start, end: start + len })
    }

    /// Returns the next block, or `None` at the end of the tar.
    pub fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        if self.current()?.is_none() {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let piece = self.piece((BLOCK - filled) as u64)?;
            block[filled..filled + piece.bytes().len()].copy_from_slice(piece.bytes());
            filled += piece.bytes().len();
        }
        Ok(Some(block))
    }

    /// Passes over `count` bytes; the tar must not end before.
    pub fn skip(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            count -= self.piece(count)?.bytes().len() as u64;
        }
        Ok(())
    }

    /// Copies `count` bytes; the caller has bounded the number.
    pub fn gather(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        while data.len() < count {
            let piece = self.piece((count - data.len()) as u64)?;
            data.extend_from_slice(piece.bytes());
        }
        Ok(data)
    }

    /// Passes over all that is left: behind the end of the archive anything may follow, and counts for the digests.
    pub fn drain(&mut self) -> Result<()> {
        while self.current()?.is_some() {
            self.piece(u64::MAX)?;
        }
        Ok(())
    }
}

/// What an archive that exceeds its budget gets.
pub fn too_large<T>(most: u64) -> Result<T> {
    invalid(format!("the archive is larger than {most} bytes, the limit for a blob of this size"))
}

#[cfg(test)]
pub fn feed_of(data: &[u8], chunk_size: usize) -> Feed<'static> {
    let mut chunks: Vec<Arc<Chunk>> =
        data.chunks(chunk_size.max(1)).map(|part| Arc::new(Chunk::new(part.to_vec(), part.len(), None))).collect();
    chunks.reverse();
    Feed::new(Box::new(move || Ok(chunks.pop())), u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cross_chunks() {
        let data: Vec<u8> = (0..1536_u32).map(|n| n as u8).collect();
        let mut feed = feed_of(&data, 100);
        assert_eq!(feed.block().unwrap().unwrap()[..], data[..512]);
        feed.skip(512).unwrap();
        assert_eq!(feed.gather(512).unwrap(), data[1024..]);
        assert!(feed.block().unwrap().is_none());
        assert_eq!(feed.offset(), 1536);
    }

    #[test]
    fn a_cut_block_is_refused() {
        assert!(feed_of(&[0; 700], 512).skip(701).is_err());
        let mut feed = feed_of(&[0; 700], 512);
        feed.block().unwrap();
        assert!(feed.block().is_err());
    }
}
