//! The new process: it carries out the steps of its side, one after the other, and becomes the container's program.
//!
//! What it needs from the host's view it takes before the root changes: a descriptor of the host's /proc, which no image
//! can have prepared, and the `tasks` files, which the monitor opened for it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::termios::{Winsize, tcsetwinsize};

use super::caps::Sets;
use super::process::{self, Program};
use super::{Op, devices, mounts, namespaces, root};
use crate::error::{Attempt, Error, Result};
use crate::seccomp::Filter;
use crate::sys;

/// The streams that the program will have as 0, 1 and 2.
pub enum Streams {
    /// Those of this process.
    Inherited,
    /// Pipes: stdin, stdout, stderr.
    Pipes([OwnedFd; 3]),
    /// A terminal of the container's own, of this many rows and columns; its master goes to the monitor.
    Terminal {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
}

/// What was prepared before the process began.
pub struct Prepared {
    /// The `tasks` files of `cgroup.enter`.
    pub cgroups: Vec<OwnedFd>,
    /// The compiled `process.seccomp`.
    pub filter: Option<Filter>,
    /// The program of `process.exec`.
    pub program: Option<Program>,
    /// The streams.
    pub streams: Streams,
}

/// The state of the new process.
pub struct Inside {
    prepared: Prepared,
    proc: OwnedFd,
    capabilities: Option<Sets>,
}

impl Inside {
    /// Begin: called once in the new process.
    pub fn new(prepared: Prepared) -> Result<Self> {
        rustix::process::umask(Mode::empty()); // modes of what the steps make are meant exactly
        Ok(Self { prepared, proc: root::open("/proc")?, capabilities: None })
    }

    /// Carry out one step. `send` hands the terminal's master to the monitor; `monitor` is the socket to it.
    pub fn run(
        &mut self,
        op: &Op,
        monitor: &OwnedFd,
        send: &mut dyn FnMut(BorrowedFd<'_>) -> rustix::io::Result<()>,
    ) -> Result<()> {
        match op {
            Op::CgroupEnter(_) => self.enter_cgroups(),
            Op::NsUnshare(args) => sys::namespaces::unshare(namespaces::flags(&args.namespaces)?)
                .attempt(|| format!("leave the namespaces {}", args.namespaces.join(", "))),
            Op::NsJoin(args) => self.join(&args.namespace, &args.path),
            Op::Session(args) => self.session(args.terminal),
            Op::Propagation(args) => mounts::propagation(args),
            Op::MountOverlay(args) => args.overlay.mount_at(&args.target),
            Op::MountBind(args) => mounts::bind(args),
            Op::MountFs(args) => mounts::filesystem(args),
            Op::DevCreate(args) => devices::create(args),
            Op::DevLinks(args) => devices::links(&args.root, &args.links),
            Op::DevConsole(args) => self.console(&args.root, send),
            Op::RootPivot(args) => mounts::pivot(&args.root),
            Op::RootReadonly(_) => mounts::root_readonly(),
            Op::Hostname(args) => {
                rustix::system::sethostname(args.name.as_bytes()).attempt(|| format!("set the host name {}", args.name))
            }
            Op::Domainname(args) => rustix::system::setdomainname(args.name.as_bytes())
                .attempt(|| format!("set the domain name {}", args.name)),
            Op::Sysctl(args) => process::sysctl(self.proc.as_fd(), &args.name, &args.value),
            Op::MountReadonly(args) => mounts::readonly(&args.paths),
            Op::MountMask(args) => mounts::mask(&args.paths),
            Op::Oom(args) => process::write_proc(self.proc.as_fd(), "self/oom_score_adj", &args.score.to_string()),
            Op::Limits(args) => process::limits(&args.rlimits),
            Op::Cwd(args) => process::enter(&args.cwd),
            Op::NoNewPrivs(_) => rustix::thread::set_no_new_privs(true).attempt(|| "give up gaining rights".into()),
            Op::Seccomp(_) => self.filter(),
            Op::Capabilities(names) => {
                let sets = Sets::parse(names)?;
                // from here on no process of a shared pid namespace may look into this one: it still holds the host's /proc
                rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
                    .attempt(|| "close the process to others".into())?;
                sets.cut()?;
                self.capabilities = Some(sets);
                Ok(())
            }
            Op::User(args) => process::become_user(args, self.capabilities.as_ref(), self.proc.as_fd()),
            Op::CloseFds(_) => sys::fds::close_on_exec_from(3).attempt(|| "mark all descriptors".into()),
            Op::Exec(_) => match &self.prepared.program {
                Some(program) => Err(program.execute(monitor)),
                None => Err(Error::plain("no program was prepared")),
            },
            _ => Err(Error::plain("this step is not for the inside")),
        }
    }

    fn enter_cgroups(&mut self) -> Result<()> {
        for file in self.prepared.cgroups.drain(..) {
            rustix::io::write(&file, b"0").attempt(|| "enter a control group".into())?;
        }
        Ok(())
    }

    /// A process can enter a pid namespace only by being born in it, so the monitor arranged that; here it is checked.
    fn join(&self, name: &str, path: &str) -> Result<()> {
        if name != "pid" {
            return namespaces::join(name, path);
        }
        let same = |a: rustix::fs::Stat, b: rustix::fs::Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        let wanted = rustix::fs::stat(path).attempt(|| format!("look at the namespace {path}"))?;
        let own = rustix::fs::statat(&self.proc, "self/ns/pid", rustix::fs::AtFlags::empty())
            .attempt(|| "look at our own namespace".into())?;
        if same(wanted, own) { Ok(()) } else { Err(Error::plain(format!("not in the pid namespace {path}"))) }
    }

    fn session(&mut self, terminal: bool) -> Result<()> {
        match rustix::process::setsid() {
            Err(rustix::io::Errno::PERM) => {} // the first process of a session leads it already
            other => drop(other.attempt(|| "begin a session".into())?),
        }
        match &self.prepared.streams {
            Streams::Pipes(pipes) if !terminal => {
                for (number, pipe) in pipes.iter().enumerate() {
                    sys::fds::put_at(pipe.as_fd(), number as i32)
                        .attempt(|| format!("put stream {number} in place"))?;
                }
                Ok(())
            }
            Streams::Pipes(_) => Err(Error::plain("the plan has a terminal, the request has none")),
            Streams::Terminal { .. } if !terminal => Err(Error::plain("the request has a terminal, the plan has none")),
            Streams::Terminal { .. } | Streams::Inherited => Ok(()),
        }
    }

    /// The terminal comes from the container's own devpts, so that its name inside is true.
    fn console(&self, root: &str, send: &mut dyn FnMut(BorrowedFd<'_>) -> rustix::io::Result<()>) -> Result<()> {
        let (master, slave) = devices::open_terminal(root)?;
        if let Streams::Terminal { rows, columns } = self.prepared.streams {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&master, size).attempt(|| "set the terminal's size".into())?;
        }
        rustix::process::ioctl_tiocsctty(&slave).attempt(|| "take the terminal".into())?;
        devices::bind_console(root, slave.as_fd())?;
        for number in 0..3 {
            sys::fds::put_at(slave.as_fd(), number).attempt(|| format!("put stream {number} in place"))?;
        }
        send(master.as_fd()).attempt(|| "hand the terminal over".into())
    }

    fn filter(&self) -> Result<()> {
        match &self.prepared.filter {
            Some(filter) => {
                sys::seccomp::install(&filter.program, filter.flags).attempt(|| "install the filter".into())
            }
            None => Err(Error::plain("no filter was prepared")),
        }
    }
}
