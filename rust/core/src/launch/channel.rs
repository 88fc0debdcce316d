//! The socket between the monitor and the new process: whole messages, no stream (unix(7), SOCK_SEQPACKET).
//!
//! ```text
//! to the child     u32 limit                                              steps below it may run
//! to the monitor   u32 index  i32 errno  u64 began  u64 took  u8 failed  message…
//!                  u32 0xffffffff, with one descriptor                    the terminal's master
//! ```
//!
//! Numbers are in the machine's own byte order: both ends are the same program.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};

use super::Report;

const HEADER: usize = 25;
const LONGEST: usize = 2048;
const TERMINAL: u32 = u32::MAX;

/// What the monitor reads.
#[derive(Debug)]
pub enum Message {
    /// A step has run.
    Report(Report),
    /// The terminal's master.
    Terminal(OwnedFd),
    /// The other end is gone.
    End,
}

/// Make both ends.
pub fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Let the steps below `limit` run. A child that is gone does not read it: its end is noticed elsewhere.
pub fn allow(socket: &OwnedFd, limit: usize) -> rustix::io::Result<()> {
    match send(socket, &(limit as u32).to_ne_bytes(), SendFlags::NOSIGNAL) {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Wait for the next limit; `None` if the monitor is gone.
pub fn wait_allowed(socket: &OwnedFd) -> Option<usize> {
    let mut number = [0u8; 4];
    loop {
        match recv(socket, &mut number, RecvFlags::empty()) {
            Ok((4, _)) => return Some(u32::from_ne_bytes(number) as usize),
            Err(Errno::INTR) => {}
            _ => return None,
        }
    }
}

/// Report one step.
pub fn report(socket: &OwnedFd, report: &Report) -> rustix::io::Result<()> {
    let mut data = Vec::with_capacity(HEADER);
    let (errno, message) = report.error.as_ref().map_or((0, ""), |(errno, message)| (*errno, message.as_str()));
    data.extend((report.index as u32).to_ne_bytes());
    data.extend(errno.to_ne_bytes());
    data.extend(report.began.to_ne_bytes());
    data.extend(report.took.to_ne_bytes());
    data.push(report.error.is_some().into());
    data.extend(message.bytes().take(LONGEST - HEADER));
    send(socket, &data, SendFlags::NOSIGNAL).map(drop)
}

/// Hand the terminal's master over.
pub fn send_terminal(socket: &OwnedFd, master: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [master];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[IoSlice::new(&TERMINAL.to_ne_bytes())], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Read the next message; waits unless the socket does not block.
pub fn receive(socket: &OwnedFd) -> rustix::io::Result<Message> {
    let mut data = [0u8; LONGEST];
    let (length, fd) = receive_with_fd(socket, &mut data)?;
    if length == 0 {
        return Ok(Message::End);
    }
    let data = &data[..length];
    let word = |at: usize| data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let long = |at: usize| data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
    match (word(0), fd) {
        (Some(TERMINAL), Some(fd)) => Ok(Message::Terminal(fd)),
        (Some(index), None) => {
            let (Some(errno), Some(began), Some(took)) = (word(4), long(8), long(16)) else { return Err(Errno::PROTO) };
            let failed = data.get(24).is_some_and(|failed| *failed != 0);
            let words = || String::from_utf8_lossy(&data[HEADER.min(length)..]).into_owned();
            let error = failed.then(|| (errno as i32, words()));
            Ok(Message::Report(Report { index: index as usize, began, took, error }))
        }
        _ => Err(Errno::PROTO),
    }
}

/// Read one message and the first descriptor that came with it.
pub fn receive_with_fd(socket: &OwnedFd, data: &mut [u8]) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(data)], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => break 0,
            other => break other?.bytes,
        }
    };
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((length, fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives() {
        let (ours, theirs) = pair().unwrap();
        allow(&ours, 7).unwrap();
        assert_eq!(wait_allowed(&theirs), Some(7));
        let sent = Report { index: 3, began: 5, took: 9, error: Some((libc::EPERM, "no".into())) };
        report(&theirs, &sent).unwrap();
        let Message::Report(seen) = receive(&ours).unwrap() else { panic!() };
        assert_eq!(seen, sent);
        drop(ours);
        assert_eq!(wait_allowed(&theirs), None);
    }

    #[test]
    fn a_descriptor_arrives() {
        let (ours, theirs) = pair().unwrap();
        send_terminal(&theirs, rustix::stdio::stdin()).unwrap();
        assert!(matches!(receive(&ours).unwrap(), Message::Terminal(_)));
        drop(theirs);
        assert!(matches!(receive(&ours).unwrap(), Message::End));
    }
}
