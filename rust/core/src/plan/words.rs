//! The planner's few shared words: how a step is written down, how an error is, and how a path is made plain.

use serde_json::Value;

use super::{PlanError, PlannedStep};

pub(super) type Result<T, E = PlanError> = std::result::Result<T, E>;
pub(super) type Steps = Vec<PlannedStep>;

/// A step of the monitor.
pub(super) fn host(op: &str, args: Value) -> PlannedStep {
    PlannedStep { op: op.into(), side: "host".into(), args }
}

/// A step of the new process.
pub(super) fn inside(op: &str, args: Value) -> PlannedStep {
    PlannedStep { op: op.into(), side: "inside".into(), args }
}

/// The specification makes no sense.
pub(super) fn bad(message: impl AsRef<str>) -> PlanError {
    PlanError::InvalidArgument(format!("config.json: {}", message.as_ref()))
}

/// The specification asks for something that no step carries out.
pub(super) fn unsupported(message: impl AsRef<str>) -> PlanError {
    PlanError::Unsupported(format!("config.json: {}", message.as_ref()))
}

/// Return `value` if it is between 0 and `most`.
pub(super) fn whole(what: &str, value: i64, most: i64) -> Result<i64> {
    if (0..=most).contains(&value) { Ok(value) } else { Err(bad(format!("{what}: {value} is out of range"))) }
}

/// The text itself, or `(empty)`.
pub(super) fn shown(text: &str) -> &str {
    if text.is_empty() { "(empty)" } else { text }
}

/// Return the absolute `path` without `.`, `..` and double slashes: the form in which rules compare paths.
pub(super) fn clean(what: &str, path: &str) -> Result<String> {
    if !path.starts_with('/') {
        return Err(bad(format!("{what}: {} is not an absolute path", shown(path))));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "" | "." => {}
            name => parts.push(name),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}
