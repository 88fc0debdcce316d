//! Removing what stands in the way, without ever following a link.

use rustix::fs::{self as sys, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;

use super::super::error::{Result, While};

/// How a folder is opened everywhere here: the thing itself, and only if it is a folder.
pub const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes `name` and all below it; nothing there is fine.
pub fn remove(folder: impl AsFd, name: &[u8]) -> Result<()> {
    match sys::unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno).during("remove", name),
    }
    let inner = sys::openat(&folder, name, FOLDER, Mode::empty()).during("open", name)?;
    for child in names_in(&inner, name)? {
        remove(&inner, &child)?;
    }
    sys::unlinkat(&folder, name, AtFlags::REMOVEDIR).during("remove", name)
}

/// Returns the names in a folder, sorted.
pub fn names_in(folder: impl AsFd, shown: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).during("list", shown)? {
        let entry = entry.during("list", shown)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether `name` is a folder, itself and not through a link; `None` if there is nothing.
pub fn is_folder(folder: impl AsFd, name: &[u8]) -> Result<Option<bool>> {
    match sys::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).during("stat", name),
    }
}
