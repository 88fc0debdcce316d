//! Signals: every program of ours begins with the default actions and takes signals as data, by signalfd(2).

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;

use super::clone::last_error;

const LAST_SIGNAL: i32 = 64;

/// Give every signal its default action.
pub fn reset_actions() {
    // SAFETY: sigaction is made of integers and pointers; all zero is SIG_DFL with an empty mask and no flags.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: `default` lives across the call. SIGKILL, SIGSTOP and the C library's own two answer EINVAL.
        unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    }
}

/// Let a write to a closed pipe fail with EPIPE instead of ending the process.
pub fn ignore_broken_pipes() {
    // SAFETY: SIG_IGN installs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Give SIGPIPE its default action again: what is ignored stays ignored over exec.
pub fn default_broken_pipes() {
    // SAFETY: SIG_DFL installs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Set this thread's mask to exactly `signals`.
pub fn block_only(signals: &[i32]) {
    let set = set_of(signals);
    // SAFETY: `set` is initialised and lives across the call, which cannot fail with these arguments.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
}

/// Let the program that `command` starts begin with an empty mask: std lets it inherit ours.
pub fn unblock_in(command: &mut Command) {
    // SAFETY: sigprocmask is async-signal-safe (signal-safety(7)), and the closure does nothing else.
    unsafe {
        command.pre_exec(|| {
            block_only(&[]);
            Ok(())
        });
    }
}

/// Wait for a signal: one with its default action ends the process.
pub fn wait() {
    // SAFETY: takes nothing, and returns when a signal was handled.
    unsafe { libc::pause() };
}

/// Return a descriptor that can be read when one of `signals`, blocked before, is pending.
pub fn signal_fd(signals: &[i32]) -> Result<OwnedFd, Errno> {
    let set = set_of(signals);
    // SAFETY: `set` is initialised and lives across the call.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    // SAFETY: a descriptor that the kernel has just made has no other owner.
    if fd == -1 { Err(last_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(fd) }) }
}

/// The signal number in one record read from a [`signal_fd`].
pub const SIGNAL_RECORD: usize = size_of::<libc::signalfd_siginfo>();

/// Send signal `number`, a real-time one too, to the process behind `process`. The kernel refuses a wrong number: EINVAL.
pub fn send(process: &OwnedFd, number: i32) -> Result<(), Errno> {
    // SAFETY: takes integers and a null pointer, which asks for what kill(2) would send.
    let done = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), number, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    if done == -1 { Err(last_error()) } else { Ok(()) }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigset_t is made of integers, and sigemptyset initialises it.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is ours; a number out of range answers EINVAL.
    unsafe {
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
    }
    set
}
