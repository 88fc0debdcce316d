//! The one place where a monitor waits: poll(2) over all that it holds.

use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::session::Session;
use crate::error::{Attempt, Result};
use crate::launch::walk::Stage;

/// What can be done.
pub struct Ready {
    pub signals: bool,
    pub door: bool,
    pub launch: bool,
    /// Terminal, stdout, stderr.
    pub streams: [bool; 3],
    pub input: bool,
    /// The streams were not looked at: a client is behind.
    pub paused: bool,
    /// One for each client, in their order.
    pub connections: Vec<PollFlags>,
}

/// The list of descriptors in the making.
struct List<'a> {
    fds: Vec<PollFd<'a>>,
}

impl<'a> List<'a> {
    /// Add a descriptor, if there is one, and return its place.
    fn add(&mut self, fd: Option<&'a OwnedFd>, wanted: PollFlags) -> Option<usize> {
        self.fds.push(PollFd::new(fd?, wanted));
        Some(self.fds.len() - 1)
    }

    fn seen(&self, place: Option<usize>) -> bool {
        place.is_some_and(|place| !self.fds[place].revents().is_empty())
    }
}

impl Session {
    /// Wait until something can be done, and say what.
    pub fn wait(&self) -> Result<Ready> {
        let paused = self.hub.is_congested();
        let mut list = List { fds: Vec::with_capacity(8 + self.hub.connections.len()) };
        let signals = list.add(Some(&self.signals), PollFlags::IN);
        let door = list.add(Some(&self.door.socket), PollFlags::IN);
        let launch = list.add(self.walk.socket(), PollFlags::IN);
        let streams = [&self.stdio.terminal, &self.stdio.stdout, &self.stdio.stderr]
            .map(|stream| list.add(stream.as_ref().filter(|_| !paused), PollFlags::IN));
        let input = list.add(self.stdio.sink().filter(|_| !self.stdio.input.is_empty()), PollFlags::OUT);
        let first = list.fds.len();
        for connection in &self.hub.connections {
            let mut wanted = PollFlags::empty();
            let feeds = connection.attached.is_some_and(|attached| attached.stdin);
            let held_back = feeds && self.stdio.is_full();
            wanted.set(PollFlags::IN, !(connection.read_closed || held_back));
            wanted.set(PollFlags::OUT, !connection.out.is_empty());
            list.add(Some(&connection.socket), wanted);
        }
        let nothing_to_wait_for = self.ended.is_some() && self.walk.stage == Stage::Started && !paused;
        let timeout = if nothing_to_wait_for { Some(Timespec { tv_sec: 0, tv_nsec: 0 }) } else { self.timeout() };
        match poll(&mut list.fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).attempt(|| "poll".into()),
        }
        Ok(Ready {
            signals: list.seen(signals),
            door: list.seen(door),
            launch: list.seen(launch),
            streams: streams.map(|place| list.seen(place)),
            input: list.seen(input),
            paused,
            connections: list.fds[first..].iter().map(PollFd::revents).collect(),
        })
    }

    fn timeout(&self) -> Option<Timespec> {
        let next = self.hub.connections.iter().filter_map(|connection| connection.deadline(false)).min()?;
        let left = next.saturating_duration_since(Instant::now());
        Some(Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() })
    }
}
