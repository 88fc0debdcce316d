//! Layers: archives of file trees, read, unpacked and made. The hot path of every pull.
//!
//! A layer is a tar, mostly compressed. *Blob* means the bytes as they travel, *diff* the tar inside:
//!
//! ```text
//!               thread 1                    thread 2           the caller's thread        1-2 writers
//!   file ──▶ read ───────────────buffers──▶ hash the blob
//!            inflate ─────────1 MiB chunks─▶ hash the diff
//!                                    └─────────────────────▶ parse, check, make ──jobs──▶ create, write,
//!                                                            folders, whiteouts           own, date, close
//! ```
//!
//! Chunks are shared, never copied: a job holds slices of them. They come from a small pool, so a slow disk slows the
//! reader down, and memory stays flat whatever the archive says of itself.
//!
//! * [`tar`] reads the format: strictly, because two readers that disagree about one archive are a hole.
//! * [`names`] decides what an entry's name means, without looking at the disk.
//! * [`unpack`] turns entries into files below one folder, and never leaves it.
//! * [`make`] goes the other way.
//!
//! Errors come in two kinds. [`Error::Invalid`] depends on the archive's bytes alone, so [`entries`] and [`apply`] agree
//! about it; what depends on the folder below (a hard link to nothing, a full disk) is [`Error::System`].

mod budget;
mod codec;
mod digest;
mod error;
mod feed;
mod list;
mod make;
mod names;
mod source;
mod tar;
mod unpack;

pub use budget::Limits;
pub use codec::{Compression, deflate, inflate};
pub use digest::{Hasher, Sha256Sum, digest, digest_file, hex};
pub use error::{Error, Result};
pub use list::entries;
pub use make::make;
pub use unpack::{Whiteouts, apply};

/// What one pass over a layer found: see `minidock.kernel.ports.Applied`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The digest of the bytes as read or written.
    pub blob: Sha256Sum,
    /// How many they are.
    pub blob_size: u64,
    /// The digest of the tar.
    pub diff_id: Sha256Sum,
    /// The tar's size.
    pub tar_size: u64,
    /// How many entries the tar has, whiteouts among them.
    pub entries: u64,
    /// The sum of the regular files' sizes.
    pub size: u64,
}
