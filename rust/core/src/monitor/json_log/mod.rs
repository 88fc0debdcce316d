//! The log in Docker's `json-file` form: one JSON object per line of output.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2024-05-01T12:00:00.123456789Z"}
//! ```
//!
//! A line of output that is longer than 16 KiB becomes several objects; all but the last have no `\n` in `log`. What is
//! left at the end without a newline is logged as it is. The file is rotated before it would grow beyond `max_size`:
//! `x.log` becomes `x.log.1`, and so on; `max_files` counts all of them.

mod entry;
mod file;
mod lines;

use std::time::SystemTime;

use file::RotatingFile;
use lines::Lines;

use crate::error::Result;

/// A stream of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// An open log.
pub struct JsonLog {
    file: RotatingFile,
    lines: [Lines; 2],
    ready: Vec<u8>,
    error: Option<String>,
}

impl JsonLog {
    /// Open the log at `path`; what is there stays.
    pub fn open(path: &str, max_size: u64, max_files: u32) -> Result<Self> {
        let file = RotatingFile::open(path, max_size, max_files)?;
        Ok(Self { file, lines: [Lines::default(), Lines::default()], ready: Vec::new(), error: None })
    }

    /// Log output of `stream`.
    pub fn write(&mut self, stream: Stream, data: &[u8]) {
        let now = SystemTime::now();
        let Self { file, lines, ready, error } = self;
        lines[stream as usize].feed(data, now, |line, time| {
            let begin = ready.len();
            entry::push(ready, line, stream.name(), time);
            if !file.fits(begin, ready.len() - begin) {
                let line = ready.split_off(begin);
                note(error, file.write(ready));
                note(error, file.rotate());
                ready.clear();
                ready.extend(line);
            }
        });
        self.flush();
    }

    /// The stream has ended: log what is left of it.
    pub fn end(&mut self, stream: Stream) {
        let Self { lines, ready, .. } = self;
        lines[stream as usize].end(|line, time| entry::push(ready, line, stream.name(), time));
        self.flush();
    }

    /// The first error of writing, if there was one: lines were lost.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn flush(&mut self) {
        if !self.ready.is_empty() {
            note(&mut self.error, self.file.write(&self.ready));
            self.ready.clear();
            self.ready.shrink_to(1 << 16);
        }
    }
}

fn note(error: &mut Option<String>, result: Result<()>) {
    if let Err(new) = result {
        error.get_or_insert_with(|| new.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_rotated_and_loses_nothing() {
        let folder = std::env::temp_dir().join(format!("minidock-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x.log");
        let path = path.to_str().unwrap();
        let mut log = JsonLog::open(path, 1000, 3).unwrap();
        for number in 0..30 {
            log.write(Stream::Stdout, format!("line {number}\n").as_bytes());
        }
        log.write(Stream::Stderr, b"no newline");
        log.end(Stream::Stderr);
        let text = |suffix: &str| std::fs::read_to_string(format!("{path}{suffix}")).unwrap();
        let all = [text(".2"), text(".1"), text("")];
        assert!(all.iter().all(|text| text.len() <= 1000));
        assert!(!std::path::Path::new(&format!("{path}.3")).exists());
        let all = all.concat();
        for number in 0..30 {
            assert!(all.contains(&format!("\"line {number}\\n\"")));
        }
        assert!(all.ends_with("Z\"}\n") && all.contains("{\"log\":\"no newline\",\"stream\":\"stderr\""));
        assert_eq!(log.error(), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
