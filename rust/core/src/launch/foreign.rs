//! Another OCI runtime, such as runc, starts the container from the same bundle (runtime-spec runtime.md, Lifecycle).
//!
//! ```text
//! runtime create --bundle B --pid-file P [--console-socket S] ID     before "go": the process exists and waits
//! runtime start ID                                                   "go"
//! runtime delete --force ID                                          the end, or a launch that failed
//! ```
//!
//! The runtime leaves when it has created the process, whose next parent is then the monitor (PR_SET_CHILD_SUBREAPER),
//! so the monitor gets its exit status. Its own state goes to a folder in the container's runtime folder.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::channel::receive_with_fd;
use super::walk::Process;
use crate::error::{Attempt, Error, Result};
use crate::steps::RuntimeArgs;
use crate::steps::inside::Streams;

/// A container that another runtime starts.
pub struct Foreign {
    runtime_dir: String,
    created: Option<RuntimeArgs>,
}

impl Foreign {
    /// Prepare; `runtime_dir` is the container's runtime folder.
    pub fn new(runtime_dir: &str) -> Self {
        Self { runtime_dir: runtime_dir.to_owned(), created: None }
    }

    /// Create the container's process, and return it with its terminal if it has one.
    pub fn create(&mut self, args: &RuntimeArgs, streams: Streams) -> Result<(Process, Option<OwnedFd>)> {
        let pid_file = format!("{}/runtime.pid", self.runtime_dir);
        let mut command = self.command(args);
        command.args(["create", "--bundle", &args.bundle, "--pid-file", &pid_file]);
        let console = match streams {
            Streams::Terminal { .. } => Some(ConsoleSocket::new(&self.runtime_dir)?),
            _ => None,
        };
        if let Some(console) = &console {
            command.args(["--console-socket", &console.path]);
        }
        command.arg(&args.id);
        match streams {
            Streams::Pipes([stdin, stdout, stderr]) => command.stdin(stdin).stdout(stdout).stderr(stderr),
            _ => command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()),
        };
        self.created = Some(args.clone()); // also a half-made container must be deleted
        let status = command.status().attempt(|| format!("start {}", args.runtime))?;
        drop(command);
        if !status.success() {
            return Err(self.reason(&format!("{} create", args.runtime), status));
        }
        let text = std::fs::read_to_string(&pid_file).attempt(|| format!("read {pid_file}"))?;
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::plain(format!("{pid_file} holds no process id")))?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).attempt(|| format!("open process {text}"))?;
        Ok((Process { pid, fd }, console.map(|console| console.terminal()).transpose()?))
    }

    /// Let the container's program start.
    pub fn start(&self) -> Result<()> {
        let args = self.created.as_ref().ok_or_else(|| Error::plain("nothing was created"))?;
        let mut command = self.command(args);
        let status = quiet(command.args(["start", &args.id])).status().attempt(|| format!("start {}", args.runtime))?;
        if status.success() { Ok(()) } else { Err(self.reason(&format!("{} start", args.runtime), status)) }
    }

    /// Take away what the runtime keeps of the container. It is called for one that may not exist: no error counts.
    pub fn delete(&self) {
        if let Some(args) = &self.created {
            let _ = quiet(self.command(args).args(["delete", "--force", &args.id])).status();
        }
    }

    fn command(&self, args: &RuntimeArgs) -> Command {
        let mut command = Command::new(&args.runtime);
        command.current_dir("/");
        command.args(["--root", &format!("{}/runtime", self.runtime_dir), "--log", &self.log()]);
        command.args(["--log-format", "json"]);
        command
    }

    fn log(&self) -> String {
        format!("{}/runtime.log", self.runtime_dir)
    }

    /// The last words in the runtime's log. Their text is all that tells a missing program from another failure.
    fn reason(&self, what: &str, status: ExitStatus) -> Error {
        #[derive(serde::Deserialize)]
        struct Line {
            level: String,
            msg: String,
        }
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let mut errors = log.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let last = errors.rfind(|line| line.level == "error");
        let Some(last) = last else { return Error::plain(format!("{what} failed: {status}")) };
        let text = last.msg.to_lowercase();
        let errno = if text.contains("executable file not found") || text.contains("no such file or directory") {
            libc::ENOENT
        } else if text.contains("permission denied") {
            libc::EACCES
        } else {
            0
        };
        Error { op: "", errno, detail: format!("{what}: {}", last.msg) }
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Where the runtime hands over the terminal's master (runc, docs/terminals.md).
struct ConsoleSocket {
    socket: OwnedFd,
    path: String,
    _folder: OwnedFd,
}

impl ConsoleSocket {
    fn new(runtime_dir: &str) -> Result<Self> {
        let folder = rustix::fs::open(runtime_dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open {runtime_dir}"))?;
        // by descriptor: a socket's path has 107 bytes at most (unix(7))
        let path = format!("/proc/{}/fd/{}/console.sock", std::process::id(), folder.as_raw_fd());
        let make = || -> rustix::io::Result<OwnedFd> {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            bind(&socket, &SocketAddrUnix::new(path.as_str())?)?;
            listen(&socket, 1)?;
            Ok(socket)
        };
        let socket = make().attempt(|| format!("listen on {runtime_dir}/console.sock"))?;
        Ok(Self { socket, path, _folder: folder })
    }

    /// The runtime has connected and sent it before it left.
    fn terminal(self) -> Result<OwnedFd> {
        rustix::fs::fcntl_setfl(&self.socket, OFlags::NONBLOCK).attempt(|| "prepare the console socket".into())?;
        let connection =
            accept_with(&self.socket, SocketFlags::CLOEXEC).attempt(|| "the runtime sent no terminal".into())?;
        let _ = rustix::fs::unlink(self.path.as_str()); // the folder is removed with all that is in it
        let (_, fd) = receive_with_fd(&connection, &mut [0; 256]).attempt(|| "receive the terminal".into())?;
        fd.ok_or_else(|| Error::plain("the runtime sent no terminal"))
    }
}
