//! The hot and privileged paths of minidock, without Python.
//!
//! Two programs stand on this crate: the PyO3 extension `minidock._native` (`rust/py`) and the static
//! binary `minidock-runtime` (`rust/runtime`), which monitors and launches containers. Each module has
//! a readable twin in `python/minidock/_pure`; one parity suite runs both.

pub mod capability;
pub mod cgroups;
pub mod error;
pub mod holder;
pub mod host_mounts;
pub mod init;
pub mod launch;
#[cfg(feature = "layers")]
pub mod layers;
pub mod links;
pub mod monitor;
pub mod plan;
pub mod seccomp;
pub mod spawn;
pub mod steps;
pub mod sys;

/// The version that the extension and the binary report.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
