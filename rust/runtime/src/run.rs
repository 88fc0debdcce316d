//! `run`: the bundle's config.json becomes a plan, the plan a process, its end our exit code.
//!
//! Exit codes are those of `docker run`: 127 the program was not found, 126 it cannot be executed, 125 anything before.

use std::process::ExitCode;

use minidock_core::launch::run::{from_planner, run};
use minidock_core::plan::plan;
use minidock_core::steps::Planned;

const FAILED: i32 = 125;
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

#[derive(Default)]
struct Arguments {
    bundle: Option<String>,
    plan: Option<String>,
    options: Option<String>,
    id: Option<String>,
}

pub fn main(words: &[String]) -> ExitCode {
    let Some(arguments) = parse(words) else { return super::usage() };
    let code = read_plan(&arguments).and_then(|plan| {
        run(plan).map_err(|failed| {
            let missing = matches!(failed.error.errno, libc_errno::ENOENT | libc_errno::ENOTDIR);
            let code = match (failed.error.op, missing) {
                ("process.exec", true) => NOT_FOUND,
                ("process.exec", false) => NOT_EXECUTABLE,
                _ => FAILED,
            };
            (code, failed.error.to_string())
        })
    });
    match code {
        Ok(code) => ExitCode::from(code as u8),
        Err((code, message)) => {
            eprintln!("minidock-runtime: {message}");
            ExitCode::from(code as u8)
        }
    }
}

/// The two numbers that tell a missing program from other failures (errno(3)).
mod libc_errno {
    pub const ENOENT: i32 = 2;
    pub const ENOTDIR: i32 = 20;
}

fn parse(words: &[String]) -> Option<Arguments> {
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let slot = match word.as_str() {
            "--bundle" | "-b" => &mut arguments.bundle,
            "--plan" => &mut arguments.plan,
            "--options" => &mut arguments.options,
            id if !id.starts_with('-') && arguments.id.is_none() => {
                arguments.id = Some(id.to_owned());
                continue;
            }
            _ => return None,
        };
        *slot = Some(words.next()?.clone());
    }
    arguments.id.is_some().then_some(arguments)
}

fn read_plan(arguments: &Arguments) -> Result<Vec<Planned>, (i32, String)> {
    let failed = |message: String| (FAILED, message);
    let read = |path: &str| std::fs::read(path).map_err(|error| failed(format!("read {path}: {error}")));
    if let Some(path) = &arguments.plan {
        return serde_json::from_slice(&read(path)?).map_err(|error| failed(format!("{path}: {error}")));
    }
    let bundle = arguments.bundle.as_deref().unwrap_or(".");
    let bundle = std::fs::canonicalize(bundle).map_err(|error| failed(format!("bundle {bundle}: {error}")))?;
    let bundle = bundle.to_str().ok_or_else(|| failed("the bundle's path is not UTF-8".into()))?.to_owned();
    let spec = read(&format!("{bundle}/config.json"))?;
    let options = match &arguments.options {
        Some(path) => read(path)?,
        None => serde_json::json!({"bundle": bundle}).to_string().into_bytes(),
    };
    let steps = plan(&spec, &options).map_err(|error| failed(error.to_string()))?;
    from_planner(steps).map_err(|error| failed(error.to_string()))
}
