//! The holder: the process whose life is the life of an ordinary user's namespaces.
//!
//! A user namespace ends with its last process. So one small process per root makes it, with a mount namespace (where
//! layers and roots can be mounted) and a network namespace (for the bridge), and then only waits to be ended. Every
//! command joins what it holds. Twin: `python/minidock/_pure/holder.py`.
//!
//! ```text
//! engine, an ordinary user              holder
//!        ├────────── spawn ──────────▶│  a session of its own, nothing inherited
//!        │                            │  unshare(CLONE_NEWUSER)
//!        │◀──────── born PID ─────────┤
//!        │  newuidmap, newgidmap      │
//!        ├───────── mapped ──────────▶│  becomes root inside; mount and network namespaces
//!        │◀────────── ready ──────────┤
//!                                     │  waits for a signal; a pipe that only it holds ends with it
//! ```

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountPropagationFlags;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::DumpableBehavior;

use crate::error::{Attempt, Error, Result};
use crate::sys;
use crate::sys::clone::{Forked, clone3, exit_now};

/// The control socket; then the two ends of the pipe of life: who polls the first sees it hang up when the holder ends.
const CONTROL: i32 = 3;
const LIFE: [i32; 2] = [4, 5];

/// Be a holder; `control` is the number of the control socket. The spawner waits for the first process only.
pub fn main(control: i32) -> i32 {
    match clone3(0, None) {
        Ok(Forked::Parent(..)) => 0,
        Ok(Forked::Child) => exit_now(hold(control)),
        Err(errno) => {
            eprintln!("minidock-runtime: fork: {errno}");
            1
        }
    }
}

fn hold(control: i32) -> i32 {
    let Ok(socket) = prepare(control) else { return 1 };
    let life = match make(&socket).and_then(|()| pipe_of_life()) {
        Ok(life) => life,
        Err(error) => {
            let _ = say(&socket, &format!("failed {error}\n")); // whoever is gone need not know
            return 1;
        }
    };
    if say(&socket, "ready\n").is_err() {
        return 1; // the engine died: nobody would know of us
    }
    drop(socket);
    sys::signals::wait(); // no signal has a handler: whichever comes ends this process
    drop(life);
    0
}

/// Become a session of its own, and let go of everything that was inherited.
fn prepare(control: i32) -> Result<OwnedFd> {
    let socket = sys::fds::adopt(control).attempt(|| "take the control socket".into())?;
    rustix::process::setsid().attempt(|| "begin a session".into())?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| "open /dev/null".into())?;
    for number in 0..3 {
        sys::fds::put_at(null.as_fd(), number).attempt(|| "let the standard streams go".into())?;
    }
    sys::fds::put_at(socket.as_fd(), CONTROL).attempt(|| "move the control socket".into())?;
    std::mem::forget((socket, null)); // the next line closes them, unless one of them is where it should be
    sys::fds::close_from(CONTROL as u32 + 1).attempt(|| "close what was inherited".into())?;
    let socket = sys::fds::adopt(CONTROL).attempt(|| "take the control socket".into())?;
    sys::signals::reset_actions();
    sys::signals::block_only(&[]);
    rustix::thread::set_name(c"minidock-hold").attempt(|| "take a name".into())?;
    rustix::process::chdir("/").attempt(|| "enter /".into())?;
    Ok(socket)
}

/// Make the namespaces, in the one order that works.
fn make(socket: &OwnedFd) -> Result<()> {
    sys::namespaces::unshare(libc::CLONE_NEWUSER as u64).attempt(|| "make a user namespace".into())?;
    say(socket, &format!("born {}\n", rustix::process::getpid().as_raw_nonzero()))?;
    hear(socket, b"mapped\n")?;
    sys::identity::become_root().attempt(|| "become root of the user namespace".into())?;
    // a change of identity hides a process's namespaces from its own user: they are there to be joined
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).attempt(|| "let others join".into())?;
    let rest = libc::CLONE_NEWNS | libc::CLONE_NEWNET;
    sys::namespaces::unshare(rest as u64).attempt(|| "make a mount and a network namespace".into())?;
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", slave).attempt(|| "keep mounts from the host".into())
}

fn pipe_of_life() -> Result<[OwnedFd; 2]> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).attempt(|| "make a pipe".into())?;
    let places = [rustix::fd::AsRawFd::as_raw_fd(&read), rustix::fd::AsRawFd::as_raw_fd(&write)];
    if places != LIFE {
        return Err(Error::plain("the pipe is not where others look for it"));
    }
    Ok([read, write])
}

fn say(socket: &OwnedFd, words: &str) -> Result<()> {
    rustix::net::send(socket, words.as_bytes(), SendFlags::NOSIGNAL).attempt(|| "tell the engine".into()).map(drop)
}

fn hear(socket: &OwnedFd, words: &[u8]) -> Result<()> {
    let mut buffer = [0u8; 16];
    let mut length = 0;
    while length < words.len() {
        match rustix::net::recv(socket, &mut buffer[length..words.len()], RecvFlags::empty()) {
            Ok((0, _)) => return Err(Error::plain("the engine is gone")),
            Ok((more, _)) => length += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).attempt(|| "hear the engine".into()),
        }
    }
    if &buffer[..length] == words { Ok(()) } else { Err(Error::plain("the engine says something else")) }
}
