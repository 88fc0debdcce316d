//! `docker-init`: process 1 of a container that was started with `--init`.
//!
//! Process 1 has two duties that ordinary programs do not know of (pid_namespaces(7)): signals without a handler are
//! ignored for it, so it must pass them on to the program; and orphans become its children, so it must collect them when
//! they end. This one does both, and nothing else: it starts the program in a process group of its own, gives it the
//! terminal if there is one, and ends as the program ends.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, wait};
use rustix::termios::{isatty, tcsetpgrp};

use crate::sys::signals::{SIGNAL_RECORD, block_only, send, signal_fd, unblock_in};

const SIGCHLD: i32 = 17;
const LAST_SIGNAL: i32 = 64;

/// Run the program `argv` to its end; return the exit code for a shell: its own, or 128 + the signal that ended it.
pub fn run(argv: &[String]) -> u8 {
    let Some(program) = argv.first() else {
        eprintln!("docker-init: name a program");
        return 2;
    };
    let all: Vec<i32> = (1..=LAST_SIGNAL).collect();
    block_only(&all);
    let mut command = Command::new(program);
    command.args(&argv[1..]).process_group(0);
    unblock_in(&mut command);
    let child = match command.spawn() {
        Ok(child) => Pid::from_raw(child.id() as i32),
        Err(error) => {
            eprintln!("docker-init: {program}: {error}");
            return if error.kind() == ErrorKind::NotFound { 127 } else { 126 };
        }
    };
    match child.map(|child| follow(child, &all)) {
        Some(Ok(code)) => code,
        Some(Err(error)) => {
            eprintln!("docker-init: {error}");
            125
        }
        None => 125,
    }
}

fn follow(child: Pid, all: &[i32]) -> Result<u8, Errno> {
    let stdin = std::io::stdin();
    if isatty(&stdin) {
        tcsetpgrp(&stdin, child)?;
    }
    let signals = signal_fd(all)?;
    let process = pidfd_open(child, PidfdFlags::empty())?;
    loop {
        match next(&signals)? {
            SIGCHLD => {
                if let Some(code) = collect(child)? {
                    return Ok(code);
                }
            }
            number => match send(&process, number) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error),
            },
        }
    }
}

/// Wait for the next signal.
fn next(signals: &OwnedFd) -> Result<i32, Errno> {
    loop {
        match poll(&mut [PollFd::new(signals, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let mut record = [0u8; SIGNAL_RECORD];
        match read(signals, &mut record) {
            Ok(_) => return Ok(i32::from_ne_bytes([record[0], record[1], record[2], record[3]])),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Collect every child that has ended; return the program's exit code if it was among them.
fn collect(child: Pid) -> Result<Option<u8>, Errno> {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => {
                let ended = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                code = ended.map(|number| number as u8);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(code),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
