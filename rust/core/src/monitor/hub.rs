//! Who is told of what: the clients, the trace, and the count of steps for crash tests.

use std::os::fd::OwnedFd;

use super::connection::Connection;
use super::frames;
use super::outcome::Step;
use super::trace::Trace;
use crate::launch::Report;
use crate::launch::walk::Listener;
use crate::steps::Planned;

/// The clients and the trace.
pub struct Hub {
    /// All clients; the control connection is one of them as long as it lives.
    pub connections: Vec<Connection>,
    /// `trace.jsonl`.
    pub trace: Trace,
    /// The container's terminal, once it was handed over.
    pub terminal: Option<OwnedFd>,
    /// Steps left until this process kills itself.
    pub die_at: Option<u32>,
}

impl Hub {
    /// Send a message to the control connection.
    pub fn tell_control(&mut self, message: &impl serde::Serialize) {
        for connection in self.connections.iter_mut().filter(|connection| connection.control) {
            frames::push_message(&mut connection.out, message);
            connection.flush();
        }
    }

    /// Send output to all who want it. `kind` is the frame's type.
    pub fn output(&mut self, kind: u8, data: &[u8]) {
        for connection in &mut self.connections {
            let wanted = |attached: super::connection::Attached| match kind {
                frames::STDERR => attached.stderr,
                _ => attached.stdout,
            };
            if connection.attached.is_some_and(wanted) && !connection.gone {
                frames::push(&mut connection.out, kind, data);
                connection.flush();
            }
        }
    }

    /// Whether a client is behind, so that the container has to wait.
    pub fn is_congested(&self) -> bool {
        self.connections.iter().any(Connection::is_congested)
    }

    /// Note a step that is no part of the plan: one of the teardown.
    pub fn undone(&mut self, op: &str, args: &str, report: &Report) {
        self.trace.write(op, args, "host", report);
    }
}

impl Listener for Hub {
    fn begins(&mut self) {
        if let Some(left) = &mut self.die_at {
            *left = left.saturating_sub(1);
            if *left == 0 {
                // a crash test: this is the power cut
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
        }
    }

    fn ended(&mut self, planned: &Planned, report: &Report) {
        self.trace.write(planned.op.name(), &planned.args, planned.side.name(), report);
        let (errno, message) = report.error.as_ref().map_or((0, ""), |(errno, message)| (*errno, message.as_str()));
        self.tell_control(&Step { index: report.index, began: report.began, took: report.took, errno, message });
    }

    fn terminal(&mut self, master: OwnedFd) {
        self.terminal = Some(master);
    }
}
