//! posix_spawn(3): a new program without a copy of this process, which may be large and have threads.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Pid;

use super::exec::CStringList;

/// Start `program` with one descriptor of ours, `fd`, as its number `number`, which may be the same: then it just stays
/// open over the exec.
pub fn spawn(
    program: &CStr,
    argv: &CStringList,
    env: &CStringList,
    fd: BorrowedFd<'_>,
    number: i32,
) -> Result<Pid, Errno> {
    let mut pid: libc::pid_t = 0;
    // SAFETY: the type is made of integers and pointers, and is initialised before it is used.
    let mut actions: libc::posix_spawn_file_actions_t = unsafe { std::mem::zeroed() };
    // SAFETY: `actions` is initialised first and destroyed last; both lists end with a null pointer; everything lives
    // across the call.
    let error = unsafe {
        libc::posix_spawn_file_actions_init(&raw mut actions);
        let error = match libc::posix_spawn_file_actions_adddup2(&raw mut actions, fd.as_raw_fd(), number) {
            0 => libc::posix_spawn(
                &raw mut pid,
                program.as_ptr(),
                &raw const actions,
                std::ptr::null(),
                argv.as_ptr().cast::<*mut libc::c_char>(),
                env.as_ptr().cast::<*mut libc::c_char>(),
            ),
            error => error,
        };
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        error
    };
    match error {
        0 => Pid::from_raw(pid).ok_or(Errno::SRCH),
        error => Err(Errno::from_raw_os_error(error)),
    }
}
