//! The container's streams, from the monitor's end: three pipes, or one terminal.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::termios::{Winsize, tcsetwinsize};

use super::request::Request;
use crate::error::{Attempt, Result};
use crate::steps::inside::Streams;

/// With more than this waiting for the container, no more input is taken from clients.
const FULL: usize = 64 << 10;

/// Our ends.
#[derive(Default)]
pub struct Stdio {
    /// The terminal's master: both directions.
    pub terminal: Option<OwnedFd>,
    /// The pipe to the container's stdin.
    pub stdin: Option<OwnedFd>,
    /// The pipe from its stdout.
    pub stdout: Option<OwnedFd>,
    /// The pipe from its stderr.
    pub stderr: Option<OwnedFd>,
    /// Input that the container has not taken yet.
    pub input: VecDeque<u8>,
    close_when_empty: bool,
}

/// What a read gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes.
    Data(usize),
    /// Nothing now.
    Nothing,
    /// The end.
    End,
}

impl Stdio {
    /// Make the streams: our ends, and those of the container.
    pub fn new(request: &Request) -> Result<(Self, Streams)> {
        if request.terminal {
            let (rows, columns) = request.console_size.map_or((0, 0), |size| (size.height, size.width));
            return Ok((Self::default(), Streams::Terminal { rows, columns }));
        }
        let (stdin_theirs, stdin) = if request.stdin {
            let (theirs, ours) = pipe("stdin")?;
            (theirs, Some(not_blocking(ours)?))
        } else {
            let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            (null.attempt(|| "open /dev/null".into())?, None)
        };
        let (stdout, stdout_theirs) = pipe("stdout")?;
        let (stderr, stderr_theirs) = pipe("stderr")?;
        let ours =
            Self { stdin, stdout: Some(not_blocking(stdout)?), stderr: Some(not_blocking(stderr)?), ..Self::default() };
        Ok((ours, Streams::Pipes([stdin_theirs, stdout_theirs, stderr_theirs])))
    }

    /// Take over the terminal's master.
    pub fn take_terminal(&mut self, master: OwnedFd) -> Result<()> {
        self.terminal = Some(not_blocking(master)?);
        Ok(())
    }

    /// Where input goes.
    pub fn sink(&self) -> Option<&OwnedFd> {
        self.stdin.as_ref().or(self.terminal.as_ref())
    }

    /// Whether the container is behind with its input.
    pub fn is_full(&self) -> bool {
        self.input.len() >= FULL
    }

    /// Queue input for the container.
    pub fn feed(&mut self, data: &[u8]) {
        if self.sink().is_some() && !self.close_when_empty {
            self.input.extend(data);
            self.drain_input();
        }
    }

    /// No more input will come: close the pipe once all of it was taken. A terminal has no such end.
    pub fn end_input(&mut self) {
        self.close_when_empty = self.stdin.is_some();
        self.drain_input();
    }

    /// Write what the container takes.
    pub fn drain_input(&mut self) {
        while !self.input.is_empty() {
            let Some(sink) = self.stdin.as_ref().or(self.terminal.as_ref()) else {
                self.input.clear();
                break;
            };
            match rustix::io::write(sink, self.input.as_slices().0) {
                Ok(length) => drop(self.input.drain(..length)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.input = VecDeque::new(); // the container has closed its end
                    self.stdin = None;
                    return;
                }
            }
        }
        if self.close_when_empty {
            self.stdin = None;
        }
    }

    /// Set the terminal's size; without one there is nothing to set.
    pub fn resize(&self, rows: u16, columns: u16) -> rustix::io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.terminal.as_ref().map_or(Ok(()), |terminal| tcsetwinsize(terminal, size))
    }
}

/// Read once from a stream of the container.
pub fn read(stream: &OwnedFd, buffer: &mut [u8]) -> Got {
    match rustix::io::read(stream, buffer) {
        Ok(0) => Got::End,
        Ok(length) => Got::Data(length),
        Err(Errno::AGAIN | Errno::INTR) => Got::Nothing,
        Err(_) => Got::End, // EIO: nobody has the terminal open any more
    }
}

fn pipe(name: &str) -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).attempt(|| format!("make a pipe for {name}"))
}

fn not_blocking(fd: OwnedFd) -> Result<OwnedFd> {
    fcntl_setfl(&fd, OFlags::NONBLOCK).attempt(|| "make a stream non-blocking".into())?;
    Ok(fd)
}
