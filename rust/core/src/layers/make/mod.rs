//! Making a layer out of a folder, mostly the upper folder of an overlay.
//!
//! Equal trees give equal bytes: names are sorted, there is no time but the files' own, and PAX records stand only where
//! a plain header is too small. Overlay's marks become whiteout entries again.
//!
//! ```text
//!    the caller's thread                     a second thread
//!    walk, read, write the tar ──chunks──▶  hash the diff, compress, hash the blob, write
//! ```
//!
//! * [`scan`] walks the tree and decides what each node becomes.
//! * [`header`] writes header blocks and PAX records.
//! * [`sink`] is the second thread.

mod header;
mod scan;
mod sink;

use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Applied;
use super::codec::Compression;
use super::error::{Error, Result, While};
use super::unpack::Whiteouts;

/// Archives the folder `upper` into the new file `target`.
pub fn make(upper: &Path, target: &Path, compression: &str, whiteouts: &str) -> Result<Applied> {
    if compression == "auto" {
        return Err(Error::Argument("\"auto\" is no compression to write".into()));
    }
    let compression = Compression::parse(compression, b"")?;
    let whiteouts = Whiteouts::parse(whiteouts)?;
    let file = OpenOptions::new().write(true).create_new(true).open(target);
    let file = file.during("create", target.as_os_str().as_bytes())?;
    let ((entries, size), totals) = sink::with_sink(file, compression, |sink| {
        let mut scan = scan::Scan::new(upper, whiteouts, sink)?;
        scan.run()?;
        Ok((scan.entries, scan.size))
    })?;
    Ok(Applied {
        blob: totals.blob,
        blob_size: totals.blob_size,
        diff_id: totals.diff_id,
        tar_size: totals.tar_size,
        entries,
        size,
    })
}

/// What a tree has that no layer can hold.
fn unsupported<T>(path: &[u8], why: &str) -> Result<T> {
    Err(Error::Unsupported(format!("{} {why}", super::error::shown(path))))
}
