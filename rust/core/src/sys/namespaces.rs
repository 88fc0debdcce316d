//! unshare(2) and setns(2): leave a namespace for a new one, or for one that was made before.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::clone::last_error;

/// Leave the namespaces `flags` (CLONE_NEW…, CLONE_FS) for new ones. It holds for the calling thread.
///
/// CLONE_FILES and CLONE_VM are refused with EINVAL: other code relies on sharing them.
pub fn unshare(flags: u64) -> Result<(), Errno> {
    let flags = i32::try_from(flags).map_err(|_| Errno::INVAL)?;
    if flags & (libc::CLONE_FILES | libc::CLONE_VM | libc::CLONE_SIGHAND) != 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: takes an integer; what is shared between threads besides the file system's view stays shared.
    if unsafe { libc::unshare(flags) } == -1 { Err(last_error()) } else { Ok(()) }
}

/// Enter the namespace that `namespace` refers to; `kind` is its CLONE_NEW… flag.
pub fn setns(namespace: BorrowedFd<'_>, kind: u64) -> Result<(), Errno> {
    let kind = i32::try_from(kind).map_err(|_| Errno::INVAL)?;
    // SAFETY: takes a descriptor and an integer.
    if unsafe { libc::setns(namespace.as_raw_fd(), kind) } == -1 { Err(last_error()) } else { Ok(()) }
}
