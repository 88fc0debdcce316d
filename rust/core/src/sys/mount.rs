//! mount_setattr(2): change the flags or the propagation of a mount, and of all mounts below it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::clone::last_error;

/// What to change: flags to set, flags to clear (MOUNT_ATTR_…), and the propagation (MS_…), 0 for "as it is".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Flags to set.
    pub set: u64,
    /// Flags to clear.
    pub clear: u64,
    /// MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE.
    pub propagation: u64,
}

/// Change the mount at `path` below `folder` (the mount of `folder` itself if `path` is empty).
pub fn mount_setattr(
    folder: BorrowedFd<'_>,
    path: &CStr,
    attributes: Attributes,
    recursive: bool,
) -> Result<(), Errno> {
    let mut flags = libc::AT_SYMLINK_NOFOLLOW as u32;
    if path.is_empty() {
        flags |= libc::AT_EMPTY_PATH as u32;
    }
    if recursive {
        flags |= libc::AT_RECURSIVE as u32;
    }
    let raw = libc::mount_attr {
        attr_set: attributes.set,
        attr_clr: attributes.clear,
        propagation: attributes.propagation,
        userns_fd: 0,
    };
    // SAFETY: `path` is a C string, `raw` lives across the call, and its size is passed beside it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            folder.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const raw,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == -1 { Err(last_error()) } else { Ok(()) }
}
