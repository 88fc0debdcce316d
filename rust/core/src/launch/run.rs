//! `minidock-runtime run`: start a bundle, carry signals to it, wait for it, take everything back.
//!
//! No monitor: this process itself is the parent, its streams are the container's.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid};

use super::walk::{Listener, Process, Stage, Walk};
use super::{Failed, Report, host};
use crate::error::{Attempt, Error, Result};
use crate::plan::PlannedStep;
use crate::steps::inside::Streams;
use crate::steps::{Op, Planned, Side};
use crate::sys;

/// Signals that go to the container instead of to us.
const FORWARDED: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// Read the planner's steps.
pub fn from_planner(steps: Vec<PlannedStep>) -> Result<Vec<Planned>> {
    let read = |step: PlannedStep| {
        let args = step.args.to_string();
        let side = if step.side == "host" { Side::Host } else { Side::Inside };
        Ok(Planned { op: Op::parse(&step.op, &args)?, side, args: args.into_boxed_str() })
    };
    steps.into_iter().map(read).collect()
}

/// Run the plan to its end, and return how its program ended: its exit code, or 128 and the signal's number.
pub fn run(plan: Vec<Planned>) -> std::result::Result<i32, Failed> {
    if plan.iter().any(|planned| matches!(&planned.op, Op::Session(args) if args.terminal)) {
        let index = plan.iter().position(|planned| matches!(planned.op, Op::Session(_))).unwrap_or(0);
        let error = Error::plain("a terminal needs a monitor: set process.terminal to false, or use minidock");
        return Err(Failed { index, error });
    }
    sys::signals::reset_actions();
    sys::signals::block_only(&FORWARDED);
    let mut walk = Walk::new(plan, Streams::Inherited, None, false, false);
    let started = start(&mut walk);
    let code = match (&started, walk.process()) {
        (Ok(()), Some(process)) => wait(process),
        (_, Some(process)) => {
            let _ = pidfd_send_signal(&process.fd, Signal::KILL); // ESRCH: it has ended by itself
            reap(process);
            Ok(0)
        }
        (_, None) => Ok(0),
    };
    let undone = walk.undo().iter().map(|undo| host::run(&undo.op)).fold(Ok(()), Result::and);
    started?;
    let last = walk.plan().len().saturating_sub(1);
    code.and_then(|code| undone.map(|()| code)).map_err(|error| Failed { index: last, error })
}

struct Nobody;

impl Listener for Nobody {
    fn begins(&mut self) {}
    fn ended(&mut self, _: &Planned, _: &Report) {}
    fn terminal(&mut self, _: OwnedFd) {}
}

fn start(walk: &mut Walk) -> std::result::Result<(), Failed> {
    walk.advance(&mut Nobody)?;
    while walk.stage == Stage::Preparing {
        if walk.socket().is_none() {
            let index = walk.plan().len().saturating_sub(1);
            return Err(Failed { index, error: Error::plain("the plan starts no process") });
        }
        walk.receive(&mut Nobody)?;
    }
    walk.go(&mut Nobody)?;
    while walk.stage != Stage::Started {
        walk.receive(&mut Nobody)?;
    }
    Ok(())
}

fn wait(process: &Process) -> Result<i32> {
    let signals = sys::signals::signal_fd(&FORWARDED).attempt(|| "take signals as data".into())?;
    loop {
        let mut fds = [PollFd::new(&process.fd, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(Errno::INTR) => continue,
            other => other.attempt(|| "wait for the container".into())?,
        };
        let ended = fds[0].revents().contains(PollFlags::IN);
        if fds[1].revents().contains(PollFlags::IN) {
            forward(&signals, process);
        }
        if ended {
            return Ok(reap(process));
        }
    }
}

fn forward(signals: &OwnedFd, process: &Process) {
    let mut record = [0u8; sys::signals::SIGNAL_RECORD];
    while let Ok(length) = rustix::io::read(signals, &mut record) {
        let number = record[..length].first_chunk().map_or(0, |first| u32::from_ne_bytes(*first));
        let _ = sys::signals::send(&process.fd, number as i32); // ESRCH: it has just ended
    }
}

fn reap(process: &Process) -> i32 {
    loop {
        match waitid(WaitId::PidFd(process.fd.as_fd()), WaitIdOptions::EXITED) {
            Err(Errno::INTR) => {}
            Ok(Some(status)) => return exit_code(&status),
            _ => return 0,
        }
    }
}

/// The exit code as a shell sees it.
pub fn exit_code(status: &WaitIdStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}
