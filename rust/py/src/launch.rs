//! The start of monitors, for the port `Launch`. (Its planner: `plan.rs`.)

use std::os::fd::IntoRawFd;

use minidock_core::spawn;
use pyo3::prelude::*;

use crate::errors::step_failed;

/// The caller owns the descriptor.
#[pyfunction]
fn monitor_start(py: Python<'_>, program: &str) -> PyResult<i32> {
    let control = py.detach(|| spawn::monitor(program));
    control.map(IntoRawFd::into_raw_fd).map_err(|error| step_failed(py, "monitor.start", error))
}

/// Add this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(monitor_start, module)?)
}
