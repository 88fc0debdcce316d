//! The monitor's walk over the plan. It never waits: it goes on until the other side, or the engine, has a turn.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};

use super::channel::{self, Message};
use super::foreign::Foreign;
use super::{Failed, Report, child, host, now, timed};
use crate::error::{Attempt, Error, Result};
use crate::seccomp;
use crate::steps::inside::{Prepared, Streams};
use crate::steps::process::Program;
use crate::steps::{NsCreateArgs, Op, Planned, Side, Undo, namespaces};
use crate::sys;
use crate::sys::clone::Forked;

/// How far a launch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Steps are being carried out.
    Preparing,
    /// All but the program's start is done; it waits for "go".
    Created,
    /// The program runs.
    Started,
}

/// A process of ours: its id in our namespace and a descriptor for it.
pub struct Process {
    /// The id.
    pub pid: Pid,
    /// The descriptor (pidfd_open(2)).
    pub fd: OwnedFd,
}

/// What happens around a walk.
pub trait Listener {
    /// A step is about to run.
    fn begins(&mut self);
    /// A step has run.
    fn ended(&mut self, planned: &Planned, report: &Report);
    /// The container's terminal, to be kept.
    fn terminal(&mut self, master: OwnedFd);
}

/// A launch on its way.
pub struct Walk {
    plan: Vec<Planned>,
    streams: Option<Streams>,
    foreign: Option<Foreign>,
    process: Option<Process>,
    socket: Option<OwnedFd>,
    next: usize,
    allowed: usize,
    go_at: u64,
    one_by_one: bool,
    verbose: bool,
    /// How far it is.
    pub stage: Stage,
}

impl Walk {
    /// Begin. With `foreign`, that runtime starts the container. `verbose`: each step is reported, `one_by_one`: and
    /// begins only when the one before has been.
    pub fn new(
        plan: Vec<Planned>,
        streams: Streams,
        foreign: Option<Foreign>,
        verbose: bool,
        one_by_one: bool,
    ) -> Self {
        Self {
            plan,
            streams: Some(streams),
            foreign,
            process: None,
            socket: None,
            next: 0,
            allowed: 0,
            go_at: 0,
            one_by_one,
            verbose,
            stage: Stage::Preparing,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &[Planned] {
        &self.plan
    }

    /// The container's first process, once there is one.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// The socket to the new process; when it can be read, [`Walk::receive`] is due.
    pub fn socket(&self) -> Option<&OwnedFd> {
        self.socket.as_ref()
    }

    /// The steps that take back what was done on the host so far, the last first.
    pub fn undo(&self) -> Vec<Undo> {
        let done = self.next.min(self.plan.len().saturating_sub(1));
        self.plan[..=done].iter().rev().filter(|planned| planned.side == Side::Host).filter_map(host::undo).collect()
    }

    /// Kill what was started, without waiting for it.
    pub fn kill(&mut self) {
        if let Some(process) = &self.process {
            // ESRCH: it has ended by itself
            let _ = pidfd_send_signal(&process.fd, Signal::KILL);
        }
        self.delete_foreign();
    }

    /// Have the other runtime, if there is one, forget the container.
    pub fn delete_foreign(&self) {
        if let Some(foreign) = &self.foreign {
            foreign.delete();
        }
    }

    /// Go on as far as the monitor alone can.
    pub fn advance(&mut self, listener: &mut dyn Listener) -> std::result::Result<(), Failed> {
        while self.stage == Stage::Preparing && self.next < self.plan.len() {
            let index = self.next;
            let planned = &self.plan[index];
            match (&planned.op, planned.side) {
                (Op::Exec(_), Side::Inside) => self.stage = Stage::Created,
                (_, Side::Inside) => {
                    if index >= self.allowed {
                        self.allow(listener)?;
                    }
                    return Ok(()); // the child's turn
                }
                (_, Side::Host) => {
                    listener.begins();
                    self.host_step(index, listener)?;
                }
            }
        }
        Ok(())
    }

    /// The engine has committed: let the program start.
    pub fn go(&mut self, listener: &mut dyn Listener) -> std::result::Result<(), Failed> {
        let index = self.next;
        listener.begins();
        self.go_at = now();
        if let Some(foreign) = &mut self.foreign {
            let (report, result) = timed(index, &self.plan[index], || foreign.start());
            listener.ended(&self.plan[index], &report);
            result.map_err(|error| Failed { index, error })?;
            self.next += 1;
            self.stage = Stage::Started;
            return Ok(());
        }
        self.allowed = self.plan.len();
        let socket =
            self.socket.as_ref().ok_or_else(|| Failed { index, error: Error::plain("there is no process") })?;
        channel::allow(socket, self.allowed)
            .attempt(|| "tell the process to go".into())
            .map_err(|error| Failed { index, error })
    }

    /// Read what the new process has to say.
    pub fn receive(&mut self, listener: &mut dyn Listener) -> std::result::Result<(), Failed> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let message = channel::receive(socket).attempt(|| "read from the new process".into());
        match message.map_err(|error| Failed { index: self.next, error })? {
            Message::Terminal(master) => listener.terminal(master),
            Message::Report(report) => {
                let index = report.index.min(self.plan.len() - 1);
                listener.ended(&self.plan[index], &report);
                if let Some((errno, detail)) = report.error {
                    return Err(Failed { index, error: Error { op: self.plan[index].op.name(), errno, detail } });
                }
                self.next = index + 1;
                self.advance(listener)?;
            }
            Message::End => self.ended(listener)?,
        }
        Ok(())
    }

    /// The socket ended: by exec if that was allowed, else the process is dead.
    fn ended(&mut self, listener: &mut dyn Listener) -> std::result::Result<(), Failed> {
        self.socket = None;
        let index = self.next.min(self.plan.len() - 1);
        if self.allowed < self.plan.len() || !matches!(self.plan[index].op, Op::Exec(_)) {
            return Err(Failed {
                index,
                error: Error::plain("the new process died").in_op(self.plan[index].op.name()),
            });
        }
        listener.ended(
            &self.plan[index],
            &Report { index, began: self.go_at, took: now().saturating_sub(self.go_at), error: None },
        );
        self.next = self.plan.len();
        self.stage = Stage::Started;
        Ok(())
    }

    /// Let the child do its steps up to the next one of the host, or up to exec.
    fn allow(&mut self, listener: &mut dyn Listener) -> std::result::Result<(), Failed> {
        let index = self.next;
        let stops = |planned: &Planned| planned.side == Side::Host || matches!(planned.op, Op::Exec(_));
        let rest = &self.plan[index..];
        self.allowed =
            if self.one_by_one { index + 1 } else { index + rest.iter().position(stops).unwrap_or(rest.len()) };
        listener.begins();
        let socket =
            self.socket.as_ref().ok_or_else(|| Failed { index, error: Error::plain("there is no process yet") })?;
        channel::allow(socket, self.allowed)
            .attempt(|| "tell the process to go on".into())
            .map_err(|error| Failed { index, error })
    }

    fn host_step(&mut self, index: usize, listener: &mut dyn Listener) -> std::result::Result<(), Failed> {
        let began = now();
        let result = match &self.plan[index].op {
            Op::NsCreate(args) => {
                let args = args.clone();
                self.create(index, &args)
            }
            Op::RuntimeRun(args) => {
                let foreign = self.foreign.as_mut().ok_or_else(|| Error::plain("the request names no other runtime"));
                match foreign
                    .and_then(|foreign| foreign.create(args, self.streams.take().unwrap_or(Streams::Inherited)))
                {
                    Ok((process, terminal)) => {
                        self.process = Some(process);
                        terminal.into_iter().for_each(|master| listener.terminal(master));
                        self.stage = Stage::Created; // the step ends with "go"
                        return Ok(());
                    }
                    Err(error) => Err(Failed { index, error }),
                }
            }
            Op::NsIdmap(args) => match &self.process {
                Some(process) => namespaces::write_id_maps(process.pid, &args.uids, &args.gids),
                None => Err(Error::plain("there is no process yet")),
            }
            .map_err(|error| Failed { index, error }),
            op => host::run(op).map_err(|error| Failed { index, error }),
        };
        let failed = result
            .err()
            .map(|failed| Failed { error: failed.error.in_op(self.plan[failed.index].op.name()), index: failed.index });
        let seen = failed.as_ref().map(|failed| (failed.error.errno, failed.error.detail.clone()));
        let index = failed.as_ref().map_or(index, |failed| failed.index); // preparing can fail for a later step
        listener.ended(&self.plan[index], &Report { index, began, took: now().saturating_sub(began), error: seen });
        match failed {
            Some(failed) => Err(failed),
            None => {
                self.next += 1;
                Ok(())
            }
        }
    }

    /// Make the process. What can be prepared is, so that its own steps have little left that can fail.
    fn create(&mut self, index: usize, args: &NsCreateArgs) -> std::result::Result<(), Failed> {
        let prepared = self.prepare()?;
        let at = |error: Error| Failed { index, error };
        let flags = namespaces::flags(&args.namespaces).map_err(at)?;
        let cgroup = args.cgroup.as_deref().map(open_folder).transpose().map_err(at)?;
        let (ours, theirs) = channel::pair().attempt(|| "make a socket".into()).map_err(at)?;
        let own_pids = self.enter_pid_namespace()?;
        let forked = sys::clone::clone3(flags, cgroup.as_ref().map(AsFd::as_fd));
        if let (Some(own), Ok(Forked::Parent(..)) | Err(_)) = (&own_pids, &forked) {
            sys::namespaces::setns(own.as_fd(), libc::CLONE_NEWPID as u64)
                .attempt(|| "return to our pid namespace".into())
                .map_err(at)?;
        }
        match forked {
            Ok(Forked::Child) => {
                drop(ours);
                child::main(&self.plan, index + 1, theirs, prepared, self.verbose)
            }
            Ok(Forked::Parent(pid, fd)) => {
                self.process = Some(Process { pid, fd });
                self.socket = Some(ours);
                Ok(())
            }
            Err(errno) => Err(at(Error::system(errno, "make a process in new namespaces"))),
        }
    }

    fn prepare(&mut self) -> std::result::Result<Prepared, Failed> {
        let streams = self.streams.take().unwrap_or(Streams::Inherited);
        let mut prepared = Prepared { cgroups: Vec::new(), filter: None, program: None, streams };
        for (index, planned) in self.plan.iter().enumerate() {
            let at = |error: Error| Failed { index, error };
            match &planned.op {
                Op::CgroupEnter(args) => {
                    prepared.cgroups =
                        args.files.iter().map(|file| host::open_procs(file)).collect::<Result<_>>().map_err(at)?;
                }
                Op::Seccomp(args) => prepared.filter = Some(seccomp::compile(&args.profile).map_err(at)?),
                Op::Exec(args) => prepared.program = Some(Program::new(&args.argv, &args.env).map_err(at)?),
                _ => {}
            }
        }
        Ok(prepared)
    }

    /// A process can only be born into another pid namespace, so we enter it for our children; returns the way back.
    fn enter_pid_namespace(&self) -> std::result::Result<Option<OwnedFd>, Failed> {
        for (index, planned) in self.plan.iter().enumerate() {
            if let Op::NsJoin(args) = &planned.op
                && args.namespace == "pid"
            {
                let enter = || -> Result<OwnedFd> {
                    let own = namespaces::open("/proc/self/ns/pid")?;
                    namespaces::join("pid", &args.path)?;
                    Ok(own)
                };
                return enter().map(Some).map_err(|error| Failed { index, error });
            }
        }
        Ok(None)
    }
}

fn open_folder(path: &str) -> Result<OwnedFd> {
    match rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT) => Err(Error::system(Errno::NOENT, format!("there is no control group {path}"))),
        other => other.attempt(|| format!("open {path}")),
    }
}
