//! The only unsafe code of minidock: system calls that no safe wrapper covers.
//!
//! Most system calls are made through `rustix`, whose wrappers are safe. What it leaves out is here, one small file per
//! idea, each function with a safe signature and a note why the call is sound:
//!
//! | file      | calls                                                                        |
//! |-----------|------------------------------------------------------------------------------|
//! | `clone`   | clone3(2) in its fork form, fork(2), `_exit`                                 |
//! | `exec`    | execve(2)                                                                    |
//! | `fds`     | taking over inherited descriptors, close_range(2), dup2(2) onto 0, 1, 2      |
//! | `netlink` | socket(2) with netlink's options                                             |
//! | `identity` | setresuid(2), setresgid(2), setgroups(2)                                    |
//! | `mount`   | mount_setattr(2)                                                             |
//! | `namespaces` | unshare(2), setns(2)                                                      |
//! | `seccomp` | seccomp(2)                                                                   |
//! | `bpf`     | bpf(2): loading a device filter and attaching it to a control group          |
//! | `spawn`   | posix_spawn(3)                                                               |
//! | `signals` | the signal mask, signal actions, signalfd(2)                                 |

pub mod bpf;
pub mod clone;
pub mod exec;
pub mod fds;
pub mod identity;
pub mod mount;
pub mod namespaces;
pub mod netlink;
pub mod seccomp;
pub mod signals;
pub mod spawn;
