//! What the monitor says of the container: messages on the sockets, and the `exit` file.

use serde::Serialize;

use crate::error::{Attempt, Result};

/// `created`: all but exec is done.
#[derive(Serialize)]
#[serde(tag = "is", rename = "created")]
pub struct Created {
    pub pid: i32,
    pub start: u64,
    pub monitor: i32,
    pub monitor_start: u64,
}

/// `started`: exec succeeded.
#[derive(Serialize)]
#[serde(tag = "is", rename = "started")]
pub struct Started {}

/// `step`: a step of the plan has run.
#[derive(Serialize)]
#[serde(tag = "is", rename = "step")]
pub struct Step<'a> {
    pub index: usize,
    pub began: u64,
    pub took: u64,
    pub errno: i32,
    pub message: &'a str,
}

/// `failed`: a step failed, the others are undone. An index of -1 is no step, but the request or the monitor itself.
#[derive(Serialize)]
#[serde(tag = "is", rename = "failed")]
pub struct FailedMessage<'a> {
    pub index: i64,
    pub errno: i32,
    pub message: &'a str,
}

/// `status`: the answer to a client that asks.
#[derive(Serialize)]
#[serde(tag = "is", rename = "status")]
pub struct Status {
    pub pid: i32,
    pub start: u64,
    pub exited: bool,
}

/// `error`: a message made no sense, or could not be done.
#[derive(Serialize)]
#[serde(tag = "is", rename = "error")]
pub struct ErrorMessage<'a> {
    pub message: &'a str,
}

/// `exited`: gone, and torn down.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "is", rename = "exited")]
pub struct Exited {
    /// As a shell sees it.
    pub code: i32,
    /// When the program began, in nanoseconds since the epoch.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// The signal that ended it, 0 for none.
    pub signal: i32,
    /// Whether the kernel killed a process of its control group for memory.
    pub oom: bool,
    /// What went wrong in the end, in words.
    pub error: String,
}

impl Exited {
    /// Write `exit` into `state_dir`, whole: who reads it sees all of it or nothing.
    pub fn write(&self, state_dir: &str) -> Result<()> {
        let (unborn, path) = (format!("{state_dir}/.exit.new"), format!("{state_dir}/exit"));
        let json = serde_json::to_vec(self).map_err(std::io::Error::from).attempt(|| "write exit".into())?;
        std::fs::write(&unborn, json).attempt(|| format!("write {unborn}"))?;
        std::fs::rename(&unborn, &path).attempt(|| format!("rename {unborn} to {path}"))
    }
}

/// When process `pid` was started, in clock ticks since boot (proc(5), field 22 of stat); 0 if it is gone.
pub fn start_time(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // the second field is the program's name in brackets, which may hold anything
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}
