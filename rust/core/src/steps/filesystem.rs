//! New mounts that are nowhere yet: made whole first, attached afterwards in one move (fsopen(2), fsmount(2)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::options::Options;
use crate::error::{Attempt, Error, Result};
use crate::sys::mount::{Attributes, mount_setattr};

/// For move_mount(2) onto a path of the host that the engine chose: links in it are followed, as mount(8) does.
pub const HOST_PATH: MoveMountFlags =
    MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH.union(MoveMountFlags::MOVE_MOUNT_T_SYMLINKS);

/// A file system that is being configured (fsopen(2)).
pub struct Builder {
    context: OwnedFd,
    kind: String,
}

impl Builder {
    /// Begin a file system of type `kind`.
    pub fn new(kind: &str) -> Result<Self> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).attempt(|| format!("open file system {kind}"))?;
        Ok(Self { context, kind: kind.to_owned() })
    }

    /// Set one parameter: a flag if there is no value.
    pub fn set(&self, name: &str, value: Option<&str>) -> Result<()> {
        let done = match value {
            Some(value) => fsconfig_set_string(&self.context, name, value),
            None => fsconfig_set_flag(&self.context, name),
        };
        done.map_err(|errno| self.explain(Error::system(errno, format!("set {name} of file system {}", self.kind))))
    }

    /// Set all that belongs to the file system in `options`.
    pub fn set_data(&self, options: &Options) -> Result<()> {
        options.data.iter().try_for_each(|(name, value)| self.set(name, value.as_deref()))
    }

    /// Make the file system, and a mount of it that is attached nowhere.
    pub fn mount(&self, options: &Options) -> Result<OwnedFd> {
        fsconfig_create(&self.context)
            .map_err(|errno| self.explain(Error::system(errno, format!("make file system {}", self.kind))))?;
        let attributes = MountAttrFlags::from_bits_retain((options.own.set | options.below.set) as u32);
        fsmount(&self.context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .attempt(|| format!("mount file system {}", self.kind))
    }

    /// Add the kernel's own words, which it leaves on the context (fsopen(2)).
    fn explain(&self, mut error: Error) -> Error {
        let mut buffer = [0u8; 512];
        while let Ok(length @ 1..) = rustix::io::read(&self.context, &mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]);
            error.detail = format!("{} ({})", error.detail, message.trim_start_matches(['e', 'w', 'i', ' ']).trim());
        }
        error
    }
}

/// Make a mount of a new file system, attached nowhere. `source` is what mount(8) calls the device.
pub fn new_mount(kind: &str, source: &str, options: &Options) -> Result<OwnedFd> {
    let builder = Builder::new(kind)?;
    if !source.is_empty() {
        builder.set("source", Some(source))?;
    }
    builder.set_data(options)?;
    builder.mount(options)
}

/// Copy the mount below `folder` at `path` (the file `folder` itself if empty), attached nowhere.
pub fn copy_mount(folder: BorrowedFd<'_>, path: &str, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    if path.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    open_tree(folder, path, flags)
}

/// Give a mount its attributes and its propagation.
pub fn change(mount: BorrowedFd<'_>, options: &Options) -> Result<()> {
    if options.own != Attributes::default() {
        mount_setattr(mount, c"", options.own, false).attempt(|| "set the mount's attributes".into())?;
    }
    if options.below != Attributes::default() {
        mount_setattr(mount, c"", options.below, true).attempt(|| "set the attributes of all mounts below".into())?;
    }
    if let Some((propagation, recursive)) = options.propagation {
        let attributes = Attributes { propagation, ..Attributes::default() };
        mount_setattr(mount, c"", attributes, recursive).attempt(|| "set how mounts spread".into())?;
    }
    Ok(())
}

/// Attach `mount` on the file or folder `target`.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount.as_fd(), "", target, "", flags)
}
