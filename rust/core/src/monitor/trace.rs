//! `trace.jsonl`: one line per step that the monitor or the new process carried out (`minidock.trace.step.Step`).

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{Attempt, Result};
use crate::launch::Report;

/// The open file.
pub struct Trace(OwnedFd);

#[derive(Serialize)]
struct Line<'a> {
    op: &'a str,
    args: &'a RawValue,
    side: &'a str,
    began: u64,
    took: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<i32>,
}

impl Trace {
    /// Open the file in `state_dir`, to append to it.
    pub fn open(state_dir: &str) -> Result<Self> {
        let path = format!("{state_dir}/trace.jsonl");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file =
            rustix::fs::open(path.as_str(), flags, Mode::from_raw_mode(0o600)).attempt(|| format!("open {path}"))?;
        Ok(Self(file))
    }

    /// Write one line. The trace explains; a full disk that keeps it from being written fails no container.
    pub fn write(&self, op: &str, args: &str, side: &str, report: &Report) {
        let Ok(args) = serde_json::from_str::<&RawValue>(args) else { return };
        let (errno, error) =
            report.error.as_ref().map_or((None, None), |(errno, error)| (Some(*errno), Some(error.as_str())));
        let line = Line { op, args, side, began: report.began, took: report.took, error, errno };
        if let Ok(mut json) = serde_json::to_vec(&line) {
            json.push(b'\n');
            let _ = rustix::io::write(&self.0, &json);
        }
    }
}
