//! The planner: an OCI `config.json` becomes the list of steps that starts the container. Pure: no system call.
//!
//! The twin of `python/minidock/_pure/plan`, whose essay says why the order is what it is: same files, same functions,
//! the same bytes as result. Lists of steps are values of serde_json, whose objects keep their keys sorted: that makes
//! the bytes of both twins equal.

mod devices;
mod isolation;
mod mounts;
mod process;
mod refuse;
mod spec;
mod words;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use spec::{LaunchOptions, RuntimeSpec};
use words::{Result, Steps, bad, inside};

/// One entry of a launch plan.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct PlannedStep {
    /// The operation, from the closed vocabulary of `minidock.trace.ops`.
    pub op: String,
    /// Who does it: `host` the monitor, `inside` the new process.
    pub side: String,
    /// The values of the operation.
    pub args: Value,
}

/// Why there is no plan.
#[derive(Debug, Error, PartialEq)]
pub enum PlanError {
    /// The specification asks for something that no step would carry out.
    #[error("{0}")]
    Unsupported(String),
    /// The specification makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
}

/// The largest `config.json` that is parsed, in bytes; as `minidock.oci.codec`.
const LIMIT: usize = 4 << 20;

/// Return the steps that start `spec` (a `config.json`) under `options` (`minidock.kernel.launch.LaunchOptions`).
pub fn plan(spec: &[u8], options: &[u8]) -> Result<Vec<PlannedStep>, PlanError> {
    let raw: Value = decode(spec, "config.json")?;
    if !raw.is_object() {
        return Err(bad("not an object"));
    }
    refuse::refuse(&raw)?;
    refuse::check_shapes(&raw)?;
    let config = RuntimeSpec::deserialize(&raw).map_err(|wrong| bad(wrong.to_string()))?;
    let options: LaunchOptions = decode(options, "launch options")?;
    let steps = steps_of(&config, &options, &raw)?;
    steps.iter().try_for_each(|step| no_nul(&step.args))?;
    Ok(steps)
}

fn decode<'a, T: Deserialize<'a>>(data: &'a [u8], what: &str) -> Result<T> {
    if data.len() > LIMIT {
        let size = data.len();
        return Err(PlanError::InvalidArgument(format!(
            "{what}: {size} bytes of JSON, more than the limit of {LIMIT}"
        )));
    }
    serde_json::from_slice(data).map_err(|wrong| PlanError::InvalidArgument(format!("{what}: {wrong}")))
}

/// The table in `minidock.runtime`, line by line.
fn steps_of(config: &RuntimeSpec, options: &LaunchOptions, raw: &Value) -> Result<Steps> {
    let (Some(process), Some(root)) = (&config.process, &config.root) else {
        return Err(bad("process and root are needed to start a container"));
    };
    if !options.bundle.starts_with('/') {
        return Err(bad(format!("bundle {}: not an absolute path", options.bundle)));
    }
    let nothing = spec::Linux::default();
    let linux = config.linux.as_ref().unwrap_or(&nothing);
    let path = if root.path.starts_with('/') { root.path.clone() } else { format!("{}/{}", options.bundle, root.path) };
    isolation::check(config, linux, options, raw)?;
    let mut steps = isolation::cgroup(linux, options)?;
    steps.extend(isolation::birth(linux, options)?);
    steps.push(inside("process.session", serde_json::json!({"terminal": process.terminal})));
    steps.extend(mounts::tree(config, linux, options, &path)?);
    steps.extend(devices::nodes(config, linux, options, &path)?);
    steps.extend(mounts::closing(config, options, &path)?);
    steps.push(inside("root.pivot", serde_json::json!({"root": path})));
    if root.readonly {
        steps.push(inside("root.readonly", serde_json::json!({})));
    }
    steps.extend(isolation::names(config, linux)?);
    steps.extend(mounts::covers(linux)?);
    steps.extend(process::steps(process, linux, options)?);
    Ok(steps)
}

/// A NUL byte ends a string in the kernel: what comes after it would be dropped without a word.
fn no_nul(value: &Value) -> Result<()> {
    match value {
        Value::String(text) if text.contains('\0') => Err(bad("a string holds a NUL byte")),
        Value::Array(items) => items.iter().try_for_each(no_nul),
        Value::Object(fields) => fields.values().try_for_each(no_nul),
        _ => Ok(()),
    }
}
