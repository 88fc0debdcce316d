//! seccomp(2): put a filter over this process and all that come of it. There is no way back.

use rustix::io::Errno;

use super::clone::last_error;

/// One instruction of classic BPF (`struct sock_filter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if the test holds.
    pub jt: u8,
    /// How many instructions to skip if it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// Install `program` with `flags` (SECCOMP_FILTER_FLAG_…).
///
/// Needs no_new_privs, or CAP_SYS_ADMIN in the process's user namespace.
pub fn install(program: &[Instruction], flags: u64) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let mut raw = libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: Instruction has the layout of sock_filter, and the kernel copies `len` of them before it returns.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw mut raw) };
    if done == -1 { Err(last_error()) } else { Ok(()) }
}
