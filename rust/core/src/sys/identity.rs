//! setresuid(2), setresgid(2), setgroups(2): who this process is.

use rustix::io::Errno;

use super::clone::last_error;

/// Become user 0 and group 0, with no further groups. Only in a process with one thread.
///
/// Where setgroups(2) is denied for good (user_namespaces(7)), the groups stay as they are.
pub fn become_root() -> Result<(), Errno> {
    // SAFETY: the calls take integers, and a pointer to one group that lives across the call.
    unsafe {
        if libc::syscall(libc::SYS_setresgid, 0, 0, 0) == -1 || libc::syscall(libc::SYS_setresuid, 0, 0, 0) == -1 {
            return Err(last_error());
        }
        let groups: [libc::gid_t; 1] = [0];
        if libc::syscall(libc::SYS_setgroups, 1, groups.as_ptr()) == -1 && last_error() != Errno::PERM {
            return Err(last_error());
        }
    }
    Ok(())
}
