//! The start of a monitor: away from whoever started it, with nothing of theirs but the control socket.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::net::RecvFlags;

use super::connection::Connection;
use super::frames::{self, Reader};
use super::outcome::FailedMessage;
use super::request::{self, Request};
use super::session;
use crate::error::{Attempt, Error, Result};
use crate::sys;
use crate::sys::clone::{Forked, clone3, exit_now};

/// Where the control socket is moved to: the first number after the standard streams.
const CONTROL: i32 = 3;

/// Be a monitor; `control` is the number of the control socket. Returns the program's exit code.
///
/// The spawner waits for the first process only, which leaves as soon as it has forked.
pub fn main(control: i32) -> i32 {
    match clone3(0, None) {
        Ok(Forked::Parent(..)) => 0,
        Ok(Forked::Child) => exit_now(serve(control)),
        Err(errno) => {
            eprintln!("minidock-runtime: fork: {errno}");
            1
        }
    }
}

fn serve(control: i32) -> i32 {
    let prepared = prepare(control);
    let Ok(socket) = prepared else { return 1 };
    let mut reader = Reader::default();
    let request = match read_request(&socket, &mut reader) {
        Ok(Some(request)) => request,
        Ok(None) => return 0, // the engine has left without a word
        Err(error) => return refuse(socket, &error),
    };
    let mut connection = Connection::new(socket, true);
    connection.reader = reader;
    match session::run(request, connection) {
        Ok(()) => 0,
        Err(()) => 1,
    }
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
    sys::signals::ignore_broken_pipes();
    // whoever shuts a session down sends signals to everybody: the container decides, the monitor stays for its end
    sys::signals::block_only(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT]);
    rustix::thread::set_name(c"minidock-mon").attempt(|| "take a name".into())?;
    rustix::process::chdir("/").attempt(|| "enter /".into())?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::set_parent_process_death_signal(None).attempt(|| "outlive the spawner".into())?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).attempt(|| "become a subreaper".into())?;
    Ok(socket)
}

fn read_request(socket: &OwnedFd, reader: &mut Reader) -> Result<Option<Request>> {
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        if let Some((kind, payload)) = reader.next().map_err(|_| Error::plain("what was sent is no frame"))? {
            if kind != frames::MESSAGE {
                return Err(Error::plain("the first frame is no request"));
            }
            let request = request::parse(payload)?;
            fcntl_setfl(socket, OFlags::NONBLOCK).attempt(|| "prepare the control socket".into())?;
            return Ok(Some(request));
        }
        match rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((0, _)) => return Ok(None),
            Ok((length, _)) => reader.feed(&buffer[..length]),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).attempt(|| "read the request".into()),
        }
    }
}

/// Say why there will be no container.
fn refuse(socket: OwnedFd, error: &Error) -> i32 {
    let mut connection = Connection::new(socket, true);
    let message = FailedMessage { index: -1, errno: error.errno, message: &error.detail };
    frames::push_message(&mut connection.out, &message);
    connection.flush();
    1
}
