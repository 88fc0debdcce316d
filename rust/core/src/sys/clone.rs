//! clone3(2) and fork(2): the one call that returns twice.
//!
//! The fork form copies the whole address space, which costs little from the monitor, a small process. It is sound only
//! in a process with one thread: the child has that thread and no other, so no lock is held by somebody who is gone.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::Pid;

/// libc's constant of this name has too narrow a type and is 0.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Which of the two processes this is.
pub enum Forked {
    /// The new process.
    Child,
    /// The caller, with the new process's id and a descriptor for it (pidfd_open(2)).
    Parent(Pid, OwnedFd),
}

/// Make a process in the new namespaces `flags` (CLONE_NEW…), in the v2 control group `cgroup` if one is given.
///
/// The caller must have one thread only; with more, the child may do nothing but system calls.
pub fn clone3(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Forked, Errno> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is made of integers; all zero is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(folder) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = folder.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM and without a stack of its own this is fork: the child goes on with a copy of everything.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match pid {
        -1 => Err(last_error()),
        0 => Ok(Forked::Child),
        pid => {
            let pid = Pid::from_raw(pid as i32).ok_or(Errno::SRCH)?;
            // SAFETY: the kernel has just stored a new descriptor there, which nobody else owns.
            Ok(Forked::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
        }
    }
}

/// End this process at once: no destructors, no buffers, no exit handlers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

pub(super) fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
