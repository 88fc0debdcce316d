//! Owner, mode, extended attributes and times of what was created.
//!
//! Two things are left out where they cannot be had, as Docker and podman do:
//!
//! * an extended attribute that this file system or this user cannot set (`EOPNOTSUPP`, `EPERM`): `user.*` on a link,
//!   `trusted.*` in a user namespace;
//! * owners, where the user namespace maps one single id: then all files belong to it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{self as sys, AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::super::error::{Result, While};
use super::super::names::is_overlay_xattr;
use super::super::tar::Entry;
use super::tree::Folder;

/// What to set on a node.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Extended attributes, overlay's own stripped.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Attributes {
    /// Takes them out of an entry.
    pub fn of(entry: &mut Entry) -> Self {
        let mut xattrs = std::mem::take(&mut entry.xattrs);
        xattrs.retain(|(name, _)| !is_overlay_xattr(name));
        Self { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime, xattrs }
    }

    /// Those of a folder that the archive has no entry for.
    pub fn implied() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0, mtime: (0, 0), xattrs: Vec::new() }
    }

    fn times(&self) -> Timestamps {
        let time = Timespec { tv_sec: self.mtime.0, tv_nsec: self.mtime.1.into() };
        Timestamps { last_access: time, last_modification: time }
    }
}

/// What this process can do, asked once.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    umask: u32,
    uid: u32,
    gid: u32,
    owners: bool,
}

impl Policy {
    /// Reads it from proc(5). What cannot be read is taken to be in the way, and is then set explicitly.
    pub fn of_this_process() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let words = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        // Uid: real, effective, saved, file system. The last one owns new files.
        let id = |key| words(key).get(3).and_then(|word| word.parse().ok()).unwrap_or(u32::MAX);
        Self {
            umask: words("Umask:").first().and_then(|word| u32::from_str_radix(word, 8).ok()).unwrap_or(0o777),
            uid: id("Uid:"),
            gid: id("Gid:"),
            owners: !["/proc/self/uid_map", "/proc/self/gid_map"].iter().any(|map| maps_one_id(map)),
        }
    }

    /// The mode to create with, and whether the whole mode needs to be set afterwards.
    fn needs_mode(&self, folder: &Folder, mode: u32) -> bool {
        folder.careful || mode & !0o777 != 0 || mode & self.umask != 0
    }

    fn needs_owner(&self, folder: &Folder, attributes: &Attributes) -> bool {
        self.owners && (folder.careful || (attributes.uid, attributes.gid) != (self.uid, self.gid))
    }
}

fn maps_one_id(map: &str) -> bool {
    let text = fs::read_to_string(map).unwrap_or_default();
    let mut counts = text.split_whitespace().skip(2).step_by(3);
    counts.next() == Some("1") && counts.next().is_none()
}

/// Sets all of it on an open file that was just created in `folder`.
pub fn set_file(policy: &Policy, folder: &Folder, file: impl AsFd, name: &[u8], wanted: &Attributes) -> Result<()> {
    if policy.needs_owner(folder, wanted) {
        sys::fchown(&file, Some(uid(wanted.uid)), Some(gid(wanted.gid))).during("chown", name)?;
    }
    if policy.needs_mode(folder, wanted.mode) {
        sys::fchmod(&file, Mode::from_raw_mode(wanted.mode)).during("chmod", name)?;
    }
    for (key, value) in &wanted.xattrs {
        settable(sys::fsetxattr(&file, key.as_slice(), value, XattrFlags::empty())).during("setxattr", name)?;
    }
    sys::futimens(&file, &wanted.times()).during("set the times of", name)
}

/// Sets all of it on a folder, new or old.
pub fn set_folder(policy: &Policy, folder: impl AsFd, name: &[u8], wanted: &Attributes) -> Result<()> {
    let now: Stat = sys::fstat(&folder).during("stat", name)?;
    if policy.owners && (now.st_uid, now.st_gid) != (wanted.uid, wanted.gid) {
        sys::fchown(&folder, Some(uid(wanted.uid)), Some(gid(wanted.gid))).during("chown", name)?;
    }
    if now.st_mode & 0o7777 != wanted.mode {
        sys::fchmod(&folder, Mode::from_raw_mode(wanted.mode)).during("chmod", name)?;
    }
    for (key, value) in &wanted.xattrs {
        settable(sys::fsetxattr(&folder, key.as_slice(), value, XattrFlags::empty())).during("setxattr", name)?;
    }
    sys::futimens(&folder, &wanted.times()).during("set the times of", name)
}

/// Sets all of it on a node that cannot or must not be opened: a link, a device, a fifo.
pub fn set_node(policy: &Policy, folder: &Folder, name: &[u8], is_link: bool, wanted: &Attributes) -> Result<()> {
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    if policy.needs_owner(folder, wanted) {
        sys::chownat(&folder.fd, name, Some(uid(wanted.uid)), Some(gid(wanted.gid)), nofollow).during("chown", name)?;
    }
    if !is_link && policy.needs_mode(folder, wanted.mode) {
        // No kernel call here takes "do not follow"; we made this node a moment ago, and it is no link.
        sys::chmodat(&folder.fd, name, Mode::from_raw_mode(wanted.mode), AtFlags::empty()).during("chmod", name)?;
    }
    if !wanted.xattrs.is_empty() {
        let path = [format!("/proc/self/fd/{}/", folder.fd.as_raw_fd()).as_bytes(), name].concat();
        for (key, value) in &wanted.xattrs {
            let set = sys::lsetxattr(path.as_slice(), key.as_slice(), value, XattrFlags::empty());
            settable(set).during("setxattr", name)?;
        }
    }
    sys::utimensat(&folder.fd, name, &wanted.times(), nofollow).during("set the times of", name)
}

fn settable(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
        other => other,
    }
}

fn uid(number: u32) -> Uid {
    Uid::from_raw(number)
}

fn gid(number: u32) -> Gid {
    Gid::from_raw(number)
}
