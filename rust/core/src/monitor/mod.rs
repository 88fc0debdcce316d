//! The monitor: one small process beside each container, from before its first step until after its last trace.
//!
//! It owns the container's streams, keeps the log, starts the program when the engine says "go", reaps, serves clients
//! on `monitor.sock`, and takes the container's traces away when it has ended. What is said on its sockets stands in
//! `python/minidock/kernel/protocol.py`.
//!
//! ```text
//!             control (the engine)      monitor.sock (others)
//!                   │  frames                 │
//!               ┌───┴─────────────────────────┴───┐
//!               │ session: one poll(2) loop       │──── log: json-file
//!               └─┬──────────┬──────────┬───────┬─┘
//!          socket │   stdin  │   stdout │ stderr│ or one terminal       SIGCHLD by signalfd(2)
//!             ┌───┴──────────┴──────────┴───────┴─┐
//!             │ the container's first process     │
//!             └───────────────────────────────────┘
//! ```
//!
//! **Who may slow whom.** The foreground client, the one on the control socket, slows its container: while 256 KiB
//! wait for it, no more output is read, and the container waits in its write, as in a pipeline. Any other client
//! slows it for five seconds at most; then that client is cut off. The log never slows it for lack of space: lines that
//! cannot be written are lost, and the first such error stands in `exit`.
//!
//! **Mount namespace.** Only a monitor that mounts the root itself, for another OCI runtime, has a mount namespace of
//! its own; it returns to the host's for the teardown. Any other does not need one, and a copy of the host's mounts
//! would keep pinned namespaces alive that others want to end.
//!
//! **Crash tests.** With `MINIDOCK_MONITOR_DIE_AT=n` the monitor kills itself before its n-th step, the teardown's
//! steps included.

mod clients;
mod connection;
mod door;
mod finish;
mod frames;
mod hub;
pub mod json_log;
mod outcome;
mod request;
mod session;
mod start;
mod stdio;
mod trace;
mod wait;

pub use start::main;
