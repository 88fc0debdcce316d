//! How large an archive may be: a small blob must not fill a disk, and a huge one may.

use super::error::{Result, invalid};
use super::tar::Entry;

/// The limits of one pass; `minidock.kernel.limits` holds the values and says why.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many entries an archive may have.
    pub entries: u64,
    /// How many bytes all names and link targets together may have.
    pub names: u64,
    /// How many bytes of tar any blob may become.
    pub base: u64,
    /// How many bytes more for each byte of the blob.
    pub ratio: u64,
}

impl Limits {
    /// Returns how many bytes of tar a blob of this size may become.
    pub fn tar_bytes(&self, blob_size: u64) -> u64 {
        self.base.saturating_add(self.ratio.saturating_mul(blob_size))
    }
}

/// Counts what a pass has met so far.
#[derive(Debug, Default)]
pub struct Count {
    /// How many entries.
    pub entries: u64,
    /// How many bytes their names and link targets have.
    pub names: u64,
    /// How many bytes the regular files have.
    pub size: u64,
}

impl Count {
    /// Adds an entry, and refuses the one that is too much.
    pub fn add(&mut self, entry: &Entry, limits: &Limits) -> Result<()> {
        self.entries += 1;
        self.names += (entry.name.len() + entry.link.len()) as u64;
        self.size = self.size.saturating_add(entry.size);
        if self.entries > limits.entries {
            return invalid(format!("more than {} entries", limits.entries));
        }
        if self.names > limits.names {
            return invalid(format!("more than {} bytes of names", limits.names));
        }
        Ok(())
    }
}
