//! What the monitor is told: the request on the control socket, and the messages on all of them.

use serde::Deserialize;

use crate::error::Result;
use crate::steps::{Planned, Undo};

/// The first message on the control socket. `runtime_dir` and `state_dir` are the container's folders; its id and its
/// bundle stand in the request too, for those who read it, and are not needed.
#[derive(Debug, Deserialize)]
pub struct Request {
    pub runtime_dir: String,
    pub state_dir: String,
    pub plan: Vec<Planned>,
    #[serde(default)]
    pub teardown: Vec<Undo>,
    #[serde(default)]
    pub log: LogConfig,
    #[serde(default)]
    pub terminal: bool,
    #[serde(default)]
    pub console_size: Option<ConsoleSize>,
    #[serde(default)]
    pub stdin: bool,
    #[serde(default)]
    pub stdin_once: bool,
    #[serde(default)]
    pub foreign: Option<String>,
}

/// Where the output is kept. `files` counts all, the current one included.
#[derive(Debug, Clone, Deserialize)]
pub struct LogConfig {
    pub driver: String,
    #[serde(default)]
    pub path: String,
    #[serde(default = "ten_megabytes")]
    pub max_size: u64,
    #[serde(default = "three")]
    pub max_files: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { driver: "none".into(), path: String::new(), max_size: ten_megabytes(), max_files: three() }
    }
}

fn ten_megabytes() -> u64 {
    10_000_000
}

fn three() -> u32 {
    3
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct ConsoleSize {
    pub height: u16,
    pub width: u16,
}

/// Read the request.
pub fn parse(json: &[u8]) -> Result<Request> {
    serde_json::from_slice(json).map_err(|error| crate::error::Error::plain(format!("the request: {error}")))
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Command {
    /// Start the program.
    Go,
    /// Become attached.
    Attach {
        #[serde(default)]
        stdin: bool,
        #[serde(default)]
        stdout: bool,
        #[serde(default)]
        stderr: bool,
    },
    /// The terminal's size.
    Resize { rows: u16, columns: u16 },
    /// Send a signal to the container's first process.
    Signal { signal: i32 },
    /// Ask how it is.
    Status,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_defaults() {
        let json = r#"{"id":"a","bundle":"/b","runtime_dir":"/r","state_dir":"/s","plan":[],
                       "teardown":[{"op":"ns.unpin","args":{"path":"/p"}}],"log":{"driver":"json-file","path":"/l"}}"#;
        let request = parse(json.as_bytes()).unwrap();
        assert_eq!((request.log.max_size, request.log.max_files), (10_000_000, 3));
        assert_eq!(request.teardown[0].op.name(), "ns.unpin");
        assert!(!request.stdin && request.foreign.is_none());
        assert!(parse(b"{}").is_err());
        assert!(parse(br#"{"id":"a","bundle":"/b","runtime_dir":"/r","state_dir":"/s","plan":[{"op":"x"}]}"#).is_err());
    }

    #[test]
    fn commands_are_read() {
        let read = |json| serde_json::from_str::<Command>(json).ok();
        assert_eq!(read(r#"{"do":"go"}"#), Some(Command::Go));
        assert_eq!(read(r#"{"do":"signal","signal":15}"#), Some(Command::Signal { signal: 15 }));
        assert_eq!(
            read(r#"{"do":"attach","stdout":true}"#),
            Some(Command::Attach { stdin: false, stdout: true, stderr: false })
        );
        assert_eq!(read(r#"{"do":"resize","rows":70000,"columns":1}"#), None);
        assert_eq!(read(r#"{"do":"dance"}"#), None);
    }
}
