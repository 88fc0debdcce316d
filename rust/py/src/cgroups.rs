//! The port `Cgroups`.

use minidock_core::cgroups;
use minidock_core::error::Result;
use pyo3::prelude::*;

use crate::errors::step_failed;

fn run<T: Send>(py: Python<'_>, op: &str, action: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(action).map_err(|error| step_failed(py, op, error))
}

#[pyfunction]
fn cgroup_create(py: Python<'_>, dirs: Vec<String>) -> PyResult<()> {
    run(py, "cgroup.create", || cgroups::create(&dirs))
}

#[pyfunction]
fn cgroup_limit(py: Python<'_>, file: &str, value: &str) -> PyResult<()> {
    run(py, "cgroup.limit", || cgroups::limit(file, value))
}

#[pyfunction]
fn cgroup_read(py: Python<'_>, file: &str) -> PyResult<Option<String>> {
    run(py, "cgroup.read", || cgroups::read(file))
}

#[pyfunction]
fn cgroup_freeze(py: Python<'_>, dirs: Vec<String>) -> PyResult<()> {
    run(py, "cgroup.freeze", || cgroups::freeze(&dirs))
}

#[pyfunction]
fn cgroup_thaw(py: Python<'_>, dirs: Vec<String>) -> PyResult<()> {
    run(py, "cgroup.thaw", || cgroups::thaw(&dirs))
}

#[pyfunction]
fn cgroup_kill(py: Python<'_>, dirs: Vec<String>) -> PyResult<()> {
    run(py, "cgroup.kill", || cgroups::kill(&dirs))
}

#[pyfunction]
fn cgroup_delete(py: Python<'_>, dirs: Vec<String>) -> PyResult<()> {
    run(py, "cgroup.delete", || cgroups::delete(&dirs))
}

#[pyfunction]
fn cgroup_processes(py: Python<'_>, dirs: Vec<String>) -> PyResult<Vec<i32>> {
    run(py, "cgroup.processes", || cgroups::processes(&dirs))
}

/// Add this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(cgroup_create, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_limit, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_read, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_freeze, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_thaw, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_kill, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_delete, module)?)?;
    module.add_function(wrap_pyfunction!(cgroup_processes, module)?)
}
