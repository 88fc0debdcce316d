//! The life of a container, from its monitor's view: one loop over everything that can happen.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use super::connection::{Attached, Connection};
use super::door::Door;
use super::finish;
use super::frames::{self, STDERR, STDOUT};
use super::hub::Hub;
use super::json_log::{JsonLog, Stream};
use super::outcome::{Created, FailedMessage, Started, start_time};
use super::request::Request;
use super::stdio::{Got, Stdio, read};
use super::trace::Trace;
use super::wait::Ready;
use crate::error::{Attempt, Error, Result};
use crate::launch::foreign::Foreign;
use crate::launch::walk::{Stage, Walk};
use crate::launch::{Failed, now};
use crate::sys;

const CHUNK: usize = 32 << 10;

/// How the container's first process ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// As a shell sees it.
    pub code: i32,
    /// The signal, 0 for none.
    pub signal: i32,
    /// When, in nanoseconds since the epoch.
    pub at: u64,
}

/// Everything the loop holds.
pub struct Session {
    pub request: Request,
    pub walk: Walk,
    pub hub: Hub,
    pub stdio: Stdio,
    pub log: Option<JsonLog>,
    pub door: Door,
    pub host_mounts: Option<OwnedFd>,
    pub began: u64,
    pub ended: Option<Ended>,
    pub signals: OwnedFd,
    pub buffer: Vec<u8>,
    pub pid: i32,
    pub start: u64,
    pub told_created: bool,
    told_started: bool,
}

/// Serve one container. `Err`: it was never started, or was lost; the engine has been told.
pub fn run(request: Request, control: Connection) -> std::result::Result<(), ()> {
    let mut session = match Session::new(request, control) {
        Ok(session) => session,
        Err(refused) => {
            let (mut control, error) = *refused;
            let message = FailedMessage { index: -1, errno: error.errno, message: &error.detail };
            frames::push_message(&mut control.out, &message);
            control.flush();
            return Err(());
        }
    };
    match session.live() {
        Ok(true) => {
            finish::exited(session);
            Ok(())
        }
        Ok(false) => {
            finish::failed(session, None);
            Err(())
        }
        Err(failed) => {
            finish::failed(session, Some(failed));
            Err(())
        }
    }
}

impl Session {
    fn new(mut request: Request, mut control: Connection) -> std::result::Result<Self, Box<(Connection, Error)>> {
        let made = || -> Result<_> {
            let trace = Trace::open(&request.state_dir)?;
            let log = match request.log.driver.as_str() {
                "none" => None,
                "json-file" => Some(JsonLog::open(&request.log.path, request.log.max_size, request.log.max_files)?),
                other => return Err(Error::plain(format!("no such log driver: {other:?}"))),
            };
            let (stdio, streams) = Stdio::new(&request)?;
            let signals = sys::signals::signal_fd(&[libc::SIGCHLD]).attempt(|| "take signals as data".into())?;
            let host_mounts = request.foreign.as_ref().map(|_| finish::own_mount_namespace()).transpose()?;
            Ok((trace, log, stdio, streams, signals, host_mounts, Door::open(&request.runtime_dir)?))
        };
        let (trace, log, stdio, streams, signals, host_mounts, door) = match made() {
            Ok(made) => made,
            Err(error) => return Err(Box::new((control, error))),
        };
        control.attached = Some(Attached { stdin: request.stdin, stdout: true, stderr: true });
        let die_at = std::env::var("MINIDOCK_MONITOR_DIE_AT").ok().and_then(|number| number.parse().ok());
        let foreign = request.foreign.as_ref().map(|_| Foreign::new(&request.runtime_dir));
        let plan = std::mem::take(&mut request.plan);
        Ok(Self {
            walk: Walk::new(plan, streams, foreign, true, die_at.is_some()),
            hub: Hub { connections: vec![control], trace, terminal: None, die_at },
            stdio,
            log,
            door,
            host_mounts,
            signals,
            request,
            buffer: vec![0; CHUNK],
            began: 0,
            ended: None,
            pid: 0,
            start: 0,
            told_created: false,
            told_started: false,
        })
    }

    /// Go on until the container has ended (`true`), or the engine left before "go" (`false`).
    fn live(&mut self) -> std::result::Result<bool, Failed> {
        self.walk.advance(&mut self.hub)?;
        loop {
            self.tell_progress()?;
            if self.walk.stage != Stage::Started && !self.hub.connections.iter().any(|c| c.control) && self.began == 0 {
                return Ok(false);
            }
            let ready = self.wait().map_err(|error| Failed { index: self.last(), error })?;
            if ready.launch {
                self.walk.receive(&mut self.hub)?;
                continue; // what became of it comes before the exit that may already be known
            }
            let moved = self.read_streams(&ready);
            if ready.input {
                self.stdio.drain_input();
            }
            if ready.door {
                while let Some(socket) = self.door.accept() {
                    self.hub.connections.push(Connection::new(socket, false));
                }
            }
            self.serve(&ready)?;
            if ready.signals {
                self.reap();
            }
            if self.walk.stage == Stage::Started && self.ended.is_some() && !(moved || ready.signals || ready.paused) {
                return Ok(true); // its end is known, and all it has written was read
            }
        }
    }

    fn last(&self) -> usize {
        self.walk.plan().len().saturating_sub(1)
    }

    /// Tell the control connection how far the launch is.
    fn tell_progress(&mut self) -> std::result::Result<(), Failed> {
        if let Some(master) = self.hub.terminal.take() {
            self.stdio.take_terminal(master).map_err(|error| Failed { index: self.last(), error })?;
        }
        if self.walk.stage != Stage::Preparing && !self.told_created {
            let index = self.last();
            let missing = || Failed { index, error: Error::plain("the plan starts no process") };
            self.pid = self.walk.process().ok_or_else(missing)?.pid.as_raw_nonzero().get();
            self.start = start_time(self.pid);
            self.door.write_pid(self.pid).map_err(|error| Failed { index, error })?;
            let own = std::process::id() as i32;
            let created = Created { pid: self.pid, start: self.start, monitor: own, monitor_start: start_time(own) };
            self.hub.tell_control(&created);
            self.told_created = true;
        }
        if self.walk.stage == Stage::Started && !self.told_started {
            self.hub.tell_control(&Started {});
            self.told_started = true;
        }
        Ok(())
    }

    /// Read each stream that has something; say whether one had.
    fn read_streams(&mut self, ready: &Ready) -> bool {
        let mut moved = false;
        for (number, _) in ready.streams.iter().enumerate().filter(|(_, ready)| **ready) {
            let (stream, kind, name) = match number {
                0 => (&mut self.stdio.terminal, STDOUT, Stream::Stdout),
                1 => (&mut self.stdio.stdout, STDOUT, Stream::Stdout),
                _ => (&mut self.stdio.stderr, STDERR, Stream::Stderr),
            };
            let Some(fd) = stream.as_ref() else { continue };
            match read(fd, &mut self.buffer) {
                Got::Data(length) => {
                    moved = true;
                    if let Some(log) = &mut self.log {
                        log.write(name, &self.buffer[..length]);
                    }
                    self.hub.output(kind, &self.buffer[..length]);
                }
                Got::Nothing => {}
                Got::End => *stream = None,
            }
        }
        moved
    }

    /// Collect every child that has ended; one of them is the container.
    fn reap(&mut self) {
        let mut record = [0u8; sys::signals::SIGNAL_RECORD];
        while rustix::io::read(&self.signals, &mut record).is_ok() {}
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            self.note_end(pid, status);
        }
        if let (Some(_), Stage::Started) = (self.ended, self.walk.stage) {
            finish::kill_rest(self);
        }
    }

    fn note_end(&mut self, pid: Pid, status: WaitStatus) {
        let is_container = self.walk.process().is_some_and(|process| process.pid == pid);
        if is_container && self.ended.is_none() {
            let signal = status.terminating_signal().unwrap_or(0);
            let code = status.exit_status().unwrap_or(128 + signal);
            self.ended = Some(Ended { code, signal, at: now() });
        }
    }
}
