//! One client: a socket, what was read of it, what waits to be written to it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::frames::Reader;

/// With more than this waiting, a client slows the container.
const CONGESTED: usize = 256 << 10;
/// How long a client may take for its first message.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// How long a client other than the foreground one may slow the container.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a client is attached to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    /// It sends stdin.
    pub stdin: bool,
    /// It gets stdout.
    pub stdout: bool,
    /// It gets stderr.
    pub stderr: bool,
}

/// A client.
pub struct Connection {
    /// The socket, never blocking.
    pub socket: OwnedFd,
    /// Whether this is the engine's control connection.
    pub control: bool,
    /// What it is attached to, if it is.
    pub attached: Option<Attached>,
    /// What was read.
    pub reader: Reader,
    /// What is to be written.
    pub out: VecDeque<u8>,
    /// Nothing more will be read.
    pub read_closed: bool,
    /// To be closed once all is written.
    pub leaving: bool,
    /// To be closed now.
    pub gone: bool,
    began: Option<Instant>,
    stuck: Option<Instant>,
}

impl Connection {
    /// A new client on `socket`.
    pub fn new(socket: OwnedFd, control: bool) -> Self {
        Self {
            socket,
            control,
            attached: None,
            reader: Reader::default(),
            out: VecDeque::new(),
            read_closed: false,
            leaving: false,
            gone: false,
            began: (!control).then(Instant::now),
            stuck: None,
        }
    }

    /// It has said something.
    pub fn has_spoken(&mut self) {
        self.began = None;
    }

    /// Whether so much waits that the container is to wait too.
    pub fn is_congested(&self) -> bool {
        self.out.len() > CONGESTED
    }

    /// Read what there is, at most `buffer.len()` bytes; `false` when no more will come.
    pub fn read(&mut self, buffer: &mut [u8]) -> bool {
        match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => self.read_closed = true,
            Ok((length, _)) => self.reader.feed(&buffer[..length]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.read_closed = true;
                self.gone = true;
            }
        }
        !self.read_closed
    }

    /// Write what can be written.
    pub fn flush(&mut self) {
        while !self.out.is_empty() {
            let (first, _) = self.out.as_slices();
            match send(&self.socket, first, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(length) => {
                    self.out.drain(..length);
                    self.stuck = None;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.stuck.get_or_insert_with(Instant::now);
                    return;
                }
                Err(_) => {
                    self.gone = true;
                    self.out.clear();
                }
            }
        }
        if self.out.capacity() > CONGESTED {
            self.out = VecDeque::new();
        }
        self.gone |= self.leaving;
    }

    /// When this client's patience, or ours with it, ends.
    pub fn deadline(&self, finishing: bool) -> Option<Instant> {
        let silent = self.began.map(|began| began + FIRST_WORD);
        let impatient = !self.control && (finishing || self.is_congested());
        let stuck = self.stuck.filter(|_| impatient).map(|since| since + PATIENCE);
        silent.into_iter().chain(stuck).min()
    }
}
