//! What this archive has put where: whiteouts spare it, and a second entry for one path must wait for the first.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// What the archive has put at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder, also one that an entry below it implied.
    Folder,
    /// Anything else.
    Other,
    /// Overlay's mark of a whiteout.
    Whiteout,
}

/// A map by path. Of a path only 128 bits of a keyed hash are kept, so that millions of entries stay small; nobody who
/// does not know the keys can make two paths meet.
#[derive(Default)]
pub struct Seen {
    keys: (RandomState, RandomState),
    map: HashMap<(u64, u64), Kind>,
}

impl Seen {
    fn hash(&self, path: &[u8]) -> (u64, u64) {
        (self.keys.0.hash_one(path), self.keys.1.hash_one(path))
    }

    /// Returns what stands at a path.
    pub fn get(&self, path: &[u8]) -> Option<Kind> {
        self.map.get(&self.hash(path)).copied()
    }

    /// Notes what stands at a path now, and returns what stood there.
    pub fn put(&mut self, path: &[u8], kind: Kind) -> Option<Kind> {
        self.map.insert(self.hash(path), kind)
    }
}
