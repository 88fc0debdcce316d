//! The new process: it walks the plan, does the steps of the inside, and becomes the program.

use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Uid};

use super::{channel, timed};
use crate::error::{Attempt, Result};
use crate::steps::inside::{Inside, Prepared};
use crate::steps::{Op, Planned, Side};
use crate::sys::clone::exit_now;

/// Walk the plan from step `first` on. `verbose`: report each step, and not only those that the monitor waits for.
pub fn main(plan: &[Planned], first: usize, socket: OwnedFd, prepared: Prepared, verbose: bool) -> ! {
    let walked = walk(plan, first, &socket, prepared, verbose);
    exit_now(walked.is_none().into())
}

/// `None` if there is nobody left to walk for, or a step failed.
fn walk(plan: &[Planned], first: usize, socket: &OwnedFd, prepared: Prepared, verbose: bool) -> Option<()> {
    let inside_steps = || plan.iter().enumerate().skip(first).filter(|(_, planned)| planned.side == Side::Inside);
    let mapped = plan.iter().any(|planned| matches!(planned.op, Op::NsIdmap(_)));
    let mut prepared = Some(prepared);
    let mut inside: Option<Inside> = None;
    let mut allowed = 0;
    let mut steps = inside_steps().peekable();
    while let Some((index, planned)) = steps.next() {
        while index >= allowed {
            allowed = channel::wait_allowed(socket)?;
        }
        let mut send = |master: std::os::fd::BorrowedFd<'_>| channel::send_terminal(socket, master);
        let (report, result) = timed(index, planned, || {
            if let Some(prepared) = prepared.take() {
                if mapped {
                    become_root_inside()?;
                }
                inside = Some(Inside::new(prepared)?);
            }
            inside.as_mut().map_or(Ok(()), |inside| inside.run(&planned.op, socket, &mut send))
        });
        let awaited = steps.peek().is_none_or(|(next, _)| *next >= allowed);
        if verbose || awaited || result.is_err() {
            channel::report(socket, &report).ok()?;
        }
        result.ok()?;
    }
    Some(())
}

/// In a new user namespace this process is nobody until it becomes the identity 0 that was mapped.
fn become_root_inside() -> Result<()> {
    let (root_group, root) = (Some(Gid::ROOT), Some(Uid::ROOT));
    rustix::thread::set_thread_res_gid(root_group, root_group, root_group)
        .attempt(|| "become group 0 of the user namespace".into())?;
    rustix::thread::set_thread_res_uid(root, root, root).attempt(|| "become user 0 of the user namespace".into())
}
