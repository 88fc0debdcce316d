//! From a specification's `linux.seccomp` to a program for the kernel (seccomp(2), runtime-spec config-linux.md).
//!
//! The program is classic BPF: it sees the architecture, the number of the system call and its six arguments, and
//! answers with an action. Ours is laid out for few steps:
//!
//! ```text
//!     architecture? ── not listed ──▶ kill
//!       └─ number ── binary search over ranges of numbers with the same answer ──▶ answer
//!                                     └─ a call with conditions: test them one rule after the other
//! ```
//!
//! The rules mean what they mean to libseccomp, with which the profiles of other engines were written: names that this
//! machine's tables do not know are skipped; several rules for one call are alternatives, those with conditions first;
//! conditions of one rule must all hold, except that two for the same argument are alternatives, as in runc. A number
//! above all that the profile can have known gets ENOSYS where the default is an error: programs then fall back to an
//! older call, as they would on an older kernel.

mod arch;
mod compile;
mod profile;

pub use compile::compile;
pub use profile::Profile;

use crate::sys::seccomp::Instruction;

/// A filter that is ready to be installed.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// The program.
    pub program: Vec<Instruction>,
    /// SECCOMP_FILTER_FLAG_… for seccomp(2).
    pub flags: u64,
}
