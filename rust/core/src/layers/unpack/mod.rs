//! Applying a layer to a folder.
//!
//! The caller's thread parses, makes folders and whiteouts, and decides; one or two writers create all other things. An
//! entry goes to the writer of its folder, so what happens in one folder happens in order. Where order matters between
//! folders (a hard link to a file, a folder replaced by a file), the parser first waits until the writers are idle.
//!
//! * [`tree`] finds folders, one component at a time, never through a link that leads out.
//! * [`place`] decides what an entry does to what already stands at its path.
//! * [`writers`] hands jobs to the threads; [`write`] carries one out.
//! * [`whiteout`] hides or deletes what the layers below have.
//! * [`attributes`] sets owner, mode, extended attributes and times, and says what is left out where.

mod attributes;
mod place;
mod remove;
mod seen;
mod tree;
mod whiteout;
mod write;
mod writers;

use std::path::Path;

use super::Applied;
use super::budget::{Count, Limits};
use super::error::{Error, Result};
use super::names::{self, Meaning};
use super::source::with_tar;
use super::tar::Reader;
use attributes::Policy;
use place::Placer;
pub(super) use remove::{FOLDER, names_in};
pub(super) use tree::join;

/// What a whiteout becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteouts {
    /// Overlay's marks: a character device 0:0, `trusted.overlay.opaque`.
    Overlay,
    /// The same, with `user.overlay.opaque`.
    UserXattr,
    /// What it hides is deleted.
    Delete,
}

impl Whiteouts {
    /// Reads the word of the ports.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "overlay" => Ok(Self::Overlay),
            "userxattr" => Ok(Self::UserXattr),
            "delete" => Ok(Self::Delete),
            _ => Err(Error::Argument(format!("unknown form of whiteouts \"{word}\""))),
        }
    }

    /// The attribute that makes a folder opaque.
    pub fn opaque(self) -> Option<&'static str> {
        match self {
            Self::Overlay => Some("trusted.overlay.opaque"),
            Self::UserXattr => Some("user.overlay.opaque"),
            Self::Delete => None,
        }
    }
}

/// Unpacks the layer in the file `source` into the folder `target`.
pub fn apply(source: &Path, target: &Path, compression: &str, whiteouts: &str, limits: &Limits) -> Result<Applied> {
    let whiteouts = Whiteouts::parse(whiteouts)?;
    let policy = Policy::of_this_process();
    let (count, totals) = with_tar(source, compression, limits, |feed| {
        writers::with_writers(policy, |writers| {
            let mut reader = Reader::new(feed);
            let mut placer = Placer::new(target, whiteouts, policy, writers)?;
            let mut count = Count::default();
            while let Some(entry) = reader.entry()? {
                count.add(&entry, limits)?;
                match names::meaning(&entry)? {
                    Meaning::Root => placer.root(entry),
                    Meaning::Whiteout(path) => placer.whiteout(&path)?,
                    Meaning::Opaque(folder) => placer.opaque(&folder)?,
                    Meaning::Node(path) => placer.node(&path, entry, &mut reader)?,
                }
            }
            placer.finish()?;
            Ok(count)
        })
    })?;
    Ok(Applied {
        blob: totals.blob,
        blob_size: totals.blob_size,
        diff_id: totals.diff_id,
        tar_size: totals.tar_size,
        entries: count.entries,
        size: count.size,
    })
}
