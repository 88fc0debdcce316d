//! From a plan to a running program: two processes walk the same list.
//!
//! The monitor carries out the steps of the host side; at `ns.create` it makes the new process, which carries out those
//! of the inside. Each waits where the next step is the other's. One socket between them carries both directions:
//!
//! ```text
//! monitor ──▶ child   a number: steps below it may run now
//! monitor ◀── child   a report for each step; the terminal's master, as a descriptor
//! end of the socket   the child became the program (the socket closes on exec), or it died
//! ```
//!
//! So "go" is nothing but a larger number: `process.exec` is the last step, and without "go" it is not allowed. If the
//! monitor dies, the child reads the end of the socket and leaves.
//!
//! | file      | what                                                        |
//! |-----------|-------------------------------------------------------------|
//! | `walk`    | the monitor's side                                          |
//! | `child`   | the new process                                             |
//! | `channel` | the socket between them                                     |
//! | `host`    | steps of the host side, and what undoes them                |
//! | `run`     | `minidock-runtime run`: a bundle in the foreground          |
//! | `foreign` | another OCI runtime starts the container instead of a child |

pub mod channel;
pub mod child;
pub mod foreign;
pub mod host;
pub mod run;
pub mod walk;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::steps::Planned;

/// A step has run, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The step's place in the plan.
    pub index: usize,
    /// When it began, in nanoseconds since the epoch.
    pub began: u64,
    /// How long it took, in nanoseconds.
    pub took: u64,
    /// What went wrong: the error number (0 if no system call failed) and the words.
    pub error: Option<(i32, String)>,
}

/// Why a launch failed: which step, and its error.
#[derive(Debug)]
pub struct Failed {
    /// The step's place in the plan.
    pub index: usize,
    /// What went wrong.
    pub error: Error,
}

/// Run `action` as step `index`, and say how it went.
pub fn timed<T>(index: usize, planned: &Planned, action: impl FnOnce() -> Result<T>) -> (Report, Result<T>) {
    let began = now();
    let start = Instant::now();
    let result = action().map_err(|error| error.in_op(planned.op.name()));
    let error = result.as_ref().err().map(|error| (error.errno, error.detail.clone()));
    (Report { index, began, took: start.elapsed().as_nanos() as u64, error }, result)
}

/// Nanoseconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
