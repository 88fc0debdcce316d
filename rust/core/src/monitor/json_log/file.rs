//! A file that is renamed away before it grows too large.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, fstat, ftruncate};
use rustix::io::Errno;

use crate::error::{Attempt, Error, Result};

/// The current file of a rotated log.
pub struct RotatingFile {
    path: String,
    file: OwnedFd,
    size: u64,
    max_size: u64,
    max_files: u32,
}

impl RotatingFile {
    /// Open the file, to append to it.
    pub fn open(path: &str, max_size: u64, max_files: u32) -> Result<Self> {
        let (file, size) = open(path, OFlags::empty())?;
        Ok(Self { path: path.to_owned(), file, size, max_size, max_files: max_files.max(1) })
    }

    /// Whether `more` bytes can be written after `waiting` others, or the file must be rotated between them. One that
    /// is empty takes any number: an entry is never cut.
    pub fn fits(&self, waiting: usize, more: usize) -> bool {
        let before = self.size + waiting as u64;
        before == 0 || before + more as u64 <= self.max_size
    }

    /// Write all of `data`, or take back what was written of it: an entry is never half there.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let mut left = data;
        while !left.is_empty() {
            match rustix::io::write(&self.file, left) {
                Ok(length) => left = &left[length..],
                Err(Errno::INTR) => {}
                Err(errno) => {
                    if left.len() < data.len() {
                        ftruncate(&self.file, self.size)
                            .attempt(|| format!("take back half an entry of {}", self.path))?;
                    }
                    return Err(Error::system(errno, format!("write {}", self.path)));
                }
            }
        }
        self.size += data.len() as u64;
        Ok(())
    }

    /// Rename the files and begin a new one.
    pub fn rotate(&mut self) -> Result<()> {
        if self.max_files == 1 {
            ftruncate(&self.file, 0).attempt(|| format!("empty {}", self.path))?;
            self.size = 0;
            return Ok(());
        }
        for number in (1..self.max_files - 1).rev() {
            move_away(&format!("{}.{number}", self.path), &format!("{}.{}", self.path, number + 1))?;
        }
        move_away(&self.path, &format!("{}.1", self.path))?;
        (self.file, self.size) = open(&self.path, OFlags::EXCL)?;
        Ok(())
    }
}

fn open(path: &str, more: OFlags) -> Result<(OwnedFd, u64)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW | more;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o640)).attempt(|| format!("open {path}"))?;
    let size = fstat(&file).attempt(|| format!("look at {path}"))?.st_size;
    Ok((file, size as u64))
}

fn move_away(from: &str, to: &str) -> Result<()> {
    match rustix::fs::rename(from, to) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::system(errno, format!("rename {from} to {to}"))),
    }
}
