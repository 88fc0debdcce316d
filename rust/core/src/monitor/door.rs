//! `monitor.sock`: the door for clients that come later, open to the container's owner only.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with};

use crate::error::{Attempt, Result};

const WAITING: i32 = 16;

/// The listening socket and its folder.
pub struct Door {
    /// To be polled; then [`Door::accept`].
    pub socket: OwnedFd,
    folder: OwnedFd,
}

impl Door {
    /// Make the folder `runtime_dir` if it is missing, and listen in it. An old socket is replaced.
    pub fn open(runtime_dir: &str) -> Result<Self> {
        match rustix::fs::mkdir(runtime_dir, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).attempt(|| format!("make {runtime_dir}")),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(runtime_dir, flags, Mode::empty()).attempt(|| format!("open {runtime_dir}"))?;
        // by descriptor: a socket's path has 107 bytes at most (unix(7)), and a root can lie deep
        let path = format!("/proc/self/fd/{}/monitor.sock", folder.as_raw_fd());
        let make = || -> rustix::io::Result<OwnedFd> {
            match rustix::fs::unlink(path.as_str()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let mask = rustix::process::umask(Mode::from_raw_mode(0o177)); // the socket's mode is 0600 from the start
            let bound = bind(&socket, &SocketAddrUnix::new(path.as_str())?);
            rustix::process::umask(mask);
            bound?;
            listen(&socket, WAITING)?;
            Ok(socket)
        };
        let socket = make().attempt(|| format!("listen on {runtime_dir}/monitor.sock"))?;
        Ok(Self { socket, folder })
    }

    /// Take the next client, if one waits.
    pub fn accept(&self) -> Option<OwnedFd> {
        accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()
    }

    /// Write the container's process id to the file `pid`, whole.
    pub fn write_pid(&self, pid: i32) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let write = || -> rustix::io::Result<()> {
            let file = rustix::fs::openat(&self.folder, ".pid.new", flags, Mode::from_raw_mode(0o600))?;
            rustix::io::write(&file, format!("{pid}\n").as_bytes())?;
            rustix::fs::renameat(&self.folder, ".pid.new", &self.folder, "pid")
        };
        write().attempt(|| "write the pid file".into())
    }

    /// Close the door: its files go. What is not there is fine, and so is a folder that was removed with them.
    pub fn close(self) {
        for name in ["monitor.sock", "pid"] {
            let _ = rustix::fs::unlinkat(&self.folder, name, rustix::fs::AtFlags::empty());
        }
    }
}
