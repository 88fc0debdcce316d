//! A conversation with the kernel's rtnetlink.
//!
//! A netlink socket belongs to the network namespace it was *made* in, whoever uses it. So a thread of a moment enters
//! the namespace, makes the socket there and ends: neither the caller nor any other thread leaves its own namespace.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::message::{Body, find, string, u32_at};
use crate::error::{Attempt, Error, Result};
use crate::sys;

const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_DUMP_INTR: u16 = 0x010;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLM_F_DUMP: u16 = 0x300;
/// Make it, and fail if it is there.
pub const CREATE: u16 = 0x600;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER: usize = 16;
/// Larger than any message the kernel sends: a dump comes in pieces of at most 32 KiB.
const LARGEST: usize = 64 << 10;
/// A dump that others' changes interrupt is asked for again, this often at most.
const TRIES: usize = 16;

/// A socket for one step; `detail` says what is being attempted, for the error.
pub struct Netlink {
    socket: File,
    sequence: u32,
    /// What is being attempted.
    pub detail: String,
}

impl Netlink {
    /// Open a socket in the namespace at the path `netns`, or in our own.
    pub fn open(detail: String, netns: Option<&str>) -> Result<Netlink> {
        let socket = match netns {
            None => sys::netlink::socket().attempt(|| detail.clone()),
            Some(path) => open_inside(path).attempt(|| format!("{detail} in the network namespace {path}")),
        }?;
        Ok(Netlink { socket: File::from(socket), sequence: 0, detail })
    }

    /// Send one request, and wait for the kernel's answer.
    pub fn change(&mut self, kind: u16, flags: u16, body: &Body) -> Result<()> {
        self.send(kind, flags | NLM_F_ACK, body)?;
        self.answers(|_, _| ())
    }

    /// The one answer to a question.
    pub fn get(&mut self, kind: u16, body: &Body) -> Result<Vec<u8>> {
        self.send(kind, NLM_F_ACK, body)?;
        let mut answer = None;
        self.answers(|_, payload| {
            answer.get_or_insert_with(|| payload.to_vec());
        })?;
        answer.ok_or_else(|| self.failed(Errno::PROTO))
    }

    /// All answers to a question, a consistent list: an interrupted dump is asked for again.
    pub fn dump(&mut self, kind: u16, body: &Body) -> Result<Vec<Vec<u8>>> {
        for _ in 0..TRIES {
            self.send(kind, NLM_F_DUMP, body)?;
            let mut found = Vec::new();
            let mut interrupted = false;
            self.answers(|flags, payload| {
                interrupted |= flags & NLM_F_DUMP_INTR != 0;
                found.push(payload.to_vec());
            })?;
            if !interrupted {
                return Ok(found);
            }
        }
        Err(self.failed(Errno::INTR))
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::system(errno, self.detail.clone())
    }

    fn send(&mut self, kind: u16, flags: u16, body: &Body) -> Result<()> {
        self.sequence += 1;
        let length = u32::try_from(HEADER + body.0.len()).map_err(|_| self.failed(Errno::MSGSIZE))?;
        let mut message = Vec::with_capacity(HEADER + body.0.len());
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(&body.0);
        // one write is one datagram: it goes whole or not at all
        self.socket.write_all(&message).attempt(|| self.detail.clone())
    }

    /// Hand (flags, payload) of each message to `each`, up to and without the one that ends the answer.
    fn answers(&mut self, mut each: impl FnMut(u16, &[u8])) -> Result<()> {
        let mut buffer = vec![0u8; LARGEST];
        loop {
            let size = match self.socket.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.attempt(|| self.detail.clone())?,
            };
            let mut rest = &buffer[..size];
            while rest.len() >= HEADER {
                let length = (u32_at(rest, 0) as usize).clamp(HEADER, rest.len());
                let [kind, flags] = [4, 6].map(|at| u16::from_ne_bytes([rest[at], rest[at + 1]]));
                let sequence = u32_at(rest, 8);
                let payload = &rest[HEADER..length];
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if sequence != self.sequence {
                    continue;
                }
                if kind == NLMSG_ERROR || kind == NLMSG_DONE {
                    return self.check(flags, payload);
                }
                each(flags, payload);
            }
        }
    }

    fn check(&self, flags: u16, payload: &[u8]) -> Result<()> {
        let code = 0i32.wrapping_sub(u32_at(payload, 0) as i32);
        if code <= 0 {
            return Ok(());
        }
        let said = (flags & NLM_F_ACK_TLVS != 0).then(|| find(payload.get(20..)?, NLMSGERR_ATTR_MSG)).flatten();
        let words = said.map_or(String::new(), |said| format!(" ({})", string(said)));
        Err(Error::system(Errno::from_raw_os_error(code), format!("{}{words}", self.detail)))
    }
}

/// Make a socket inside the namespace at `path`, by a thread that ends.
fn open_inside(path: &str) -> io::Result<OwnedFd> {
    let namespace = File::open(path)?;
    thread::scope(|scope| {
        let maker = thread::Builder::new().name("netns".into()).stack_size(64 << 10).spawn_scoped(scope, || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            sys::netlink::socket()
        })?;
        maker.join().unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::EIO)))
    })
}
