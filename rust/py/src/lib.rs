//! `minidock._native`: a thin binding. Each function makes three moves: convert, release the GIL, map the error.

mod layers;
mod links;

use pyo3::prelude::*;

pub mod cgroups;
pub mod errors;
pub mod launch;
pub mod mounts;
pub mod plan;

/// The native kernel ports of minidock.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("VERSION", minidock_core::VERSION)?;
    layers::register(module)?;
    links::register(module)?;
    cgroups::register(module)?;
    launch::register(module)?;
    mounts::register(module)?;
    plan::register(module)?;
    Ok(())
}
