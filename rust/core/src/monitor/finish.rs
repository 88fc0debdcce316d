//! The end: of a container, or of a launch that failed. Everything that was done is taken back, and the engine is told.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::CWD;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::connection::Connection;
use super::frames;
use super::json_log::Stream;
use super::outcome::{Exited, FailedMessage};
use super::session::Session;
use crate::cgroups;
use crate::error::{Attempt, Error, Result};
use crate::launch::walk::Listener;
use crate::launch::{Failed, Report, host, now};
use crate::steps::{Op, Undo, namespaces};
use crate::sys;
use crate::sys::mount::{Attributes, mount_setattr};

/// Enter a mount namespace of our own; returns the way back to the host's.
pub fn own_mount_namespace() -> Result<OwnedFd> {
    let host = namespaces::open("/proc/self/ns/mnt")?;
    sys::namespaces::unshare((libc::CLONE_NEWNS | libc::CLONE_FS) as u64)
        .attempt(|| "leave the host's mounts".into())?;
    let slave = Attributes { propagation: libc::MS_SLAVE, ..Attributes::default() };
    mount_setattr(CWD, c"/", slave, true).attempt(|| "keep our mounts to ourselves".into())?;
    Ok(host)
}

/// The container's first process has ended: so do all that are left in its control group. Then no more output comes.
pub fn kill_rest(session: &Session) {
    // what cannot be killed now is reported by the teardown, which tries again
    let _ = cgroups::kill(&groups(session));
}

/// The container has ended.
pub fn exited(mut session: Session) {
    session.stdio = Default::default();
    let mut log_error = None;
    if let Some(mut log) = session.log.take() {
        log.end(Stream::Stdout);
        log.end(Stream::Stderr);
        log_error = log.error().map(str::to_owned);
    }
    let oom = cgroups::out_of_memory_kills(&groups(&session)) > 0;
    session.walk.delete_foreign();
    let undos = std::mem::take(&mut session.request.teardown);
    let teardown_error = take_back(&mut session, &undos);
    let errors: Vec<String> = [teardown_error, log_error].into_iter().flatten().collect();
    let Some(ended) = session.ended else { return };
    let exited = Exited {
        code: ended.code,
        began: session.began,
        ended: ended.at,
        signal: ended.signal,
        oom,
        error: errors.join("; "),
    };
    let written = exited.write(&session.request.state_dir); // the commit point: from here on the end is known to all
    session.door.close();
    for connection in session.hub.connections.iter_mut().filter(|connection| connection.attached.is_some()) {
        frames::push_message(&mut connection.out, &exited);
        if let Err(error) = &written {
            frames::push_message(&mut connection.out, &super::outcome::ErrorMessage { message: &error.to_string() });
        }
    }
    part(session.hub.connections);
}

/// The launch has failed, or the engine has left before "go": the steps of the plan are taken back.
///
/// The teardown list is not run: what it is about was done by the engine, whose journal takes it back.
pub fn failed(mut session: Session, failed: Option<Failed>) {
    session.walk.kill();
    if let Some(process) = session.walk.process() {
        let _ = waitid(WaitId::PidFd(process.fd.as_fd()), WaitIdOptions::EXITED); // ECHILD: reaped before
    }
    session.stdio = Default::default();
    let undos = session.walk.undo();
    let undo_error = take_back(&mut session, &undos);
    session.door.close();
    if let Some(failed) = failed {
        let mut message = failed.error.detail.clone();
        if let Some(more) = undo_error {
            message = format!("{message} (and then: {more})");
        }
        let message = FailedMessage { index: failed.index as i64, errno: failed.error.errno, message: &message };
        session.hub.tell_control(&message);
    }
    part(session.hub.connections);
}

fn groups(session: &Session) -> Vec<String> {
    let dirs = |op: &Op| if let Op::CgroupCreate(args) = op { args.dirs.clone() } else { Vec::new() };
    session.walk.plan().iter().flat_map(|planned| dirs(&planned.op)).collect()
}

/// Run all of `undos`. One that fails keeps no other from running; the first error is returned.
fn take_back(session: &mut Session, undos: &[Undo]) -> Option<String> {
    let mut error = None;
    if let Some(host_mounts) = session.host_mounts.take() {
        let back = sys::namespaces::setns(host_mounts.as_fd(), libc::CLONE_NEWNS as u64);
        error = back.attempt(|| "return to the host's mounts".into()).err().map(|error| error.to_string());
    }
    for Undo { op, args } in undos {
        session.hub.begins();
        let began = now();
        let start = Instant::now();
        let result = host::run(op).map_err(|error| error.in_op(op.name()));
        let seen = result.as_ref().err().map(|error: &Error| (error.errno, error.detail.clone()));
        let report = Report { index: 0, began, took: start.elapsed().as_nanos() as u64, error: seen };
        session.hub.undone(op.name(), args, &report);
        error = error.or_else(|| result.err().map(|error| error.to_string()));
    }
    error
}

/// Write what is left to each client, and close. One that does not read gets its time; the foreground one, all of it.
fn part(mut connections: Vec<Connection>) {
    for connection in &mut connections {
        connection.leaving = true;
        connection.flush();
    }
    loop {
        let now = Instant::now();
        connections
            .retain(|connection| !connection.gone && connection.deadline(true).is_none_or(|deadline| now < deadline));
        if connections.is_empty() {
            return;
        }
        let next = connections.iter().filter_map(|connection| connection.deadline(true)).min();
        let timeout = next.map(|next| {
            let left = next.saturating_duration_since(now);
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
        });
        let mut fds: Vec<PollFd<'_>> =
            connections.iter().map(|connection| PollFd::new(&connection.socket, PollFlags::OUT)).collect();
        let _ = poll(&mut fds, timeout.as_ref());
        drop(fds);
        connections.iter_mut().for_each(Connection::flush);
    }
}
