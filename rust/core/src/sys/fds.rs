//! Descriptors by number: those a process was born with, and the three that every program expects.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::clone::last_error;

/// Take over the inherited descriptor `number`, closed on exec from here on. Fails with EBADF if it is not open.
///
/// Each inherited number must be taken over once only, at the start of the program.
pub fn adopt(number: i32) -> Result<OwnedFd, Errno> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: F_SETFD takes no pointer; a number that is not open gives EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(last_error());
    }
    // SAFETY: it is open, was handed to this program by whoever started it, and has no other owner here.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Close all descriptors from `first` on. Only for the start of a program, before it owns any of them.
pub fn close_from(first: u32) -> Result<(), Errno> {
    close_range(first, u32::MAX, 0)
}

/// Mark all descriptors from `first` on as closed on exec.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: u32, last: u32, flags: u32) -> Result<(), Errno> {
    // SAFETY: takes integers only; the callers say when closing is allowed.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Make descriptor `number` (0, 1 or 2) a copy of `source`, open across exec.
pub fn put_at(source: BorrowedFd<'_>, number: i32) -> Result<(), Errno> {
    if source.as_raw_fd() == number {
        // SAFETY: F_SETFD takes no pointer. dup2 onto itself would leave a close-on-exec flag as it is.
        return if unsafe { libc::fcntl(number, libc::F_SETFD, 0) } == -1 { Err(last_error()) } else { Ok(()) };
    }
    // SAFETY: the standard streams are owned by the process as a whole, and `source` is open.
    if unsafe { libc::dup2(source.as_raw_fd(), number) } == -1 { Err(last_error()) } else { Ok(()) }
}

/// Borrow the descriptor `number` that code outside Rust owns, for the length of one call. Fails with EBADF if it is
/// not open.
pub fn borrow<'a>(number: i32) -> crate::error::Result<BorrowedFd<'a>> {
    // SAFETY: F_GETFD takes no pointer; a number that is not open gives EBADF.
    if number < 0 || unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return Err(crate::error::Error::system(Errno::BADF, format!("descriptor {number}")));
    }
    // SAFETY: it is open; its owner, the caller in Python, is waiting for this call to return.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}
