//! The port `Mounts`.

use std::os::fd::{BorrowedFd, IntoRawFd};

use minidock_core::host_mounts::{self, Contents};
use minidock_core::steps::overlay::Overlay;
use minidock_core::sys::fds::borrow;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{raise, step_failed};

#[pyfunction]
fn mount_overlay(
    py: Python<'_>,
    target: &str,
    lower: Vec<String>,
    upper: Option<String>,
    work: Option<String>,
    options: Vec<String>,
) -> PyResult<()> {
    let overlay = Overlay { lower, upper, work, options };
    py.detach(|| overlay.mount_at(target)).map_err(|error| step_failed(py, "mount.overlay", error))
}

#[pyfunction]
fn mount_bind(py: Python<'_>, source: &str, target: &str, options: Vec<String>) -> PyResult<()> {
    py.detach(|| host_mounts::bind(source, target, &options)).map_err(|error| step_failed(py, "mount.bind", error))
}

#[pyfunction]
fn mount_unmount(py: Python<'_>, target: &str) -> PyResult<()> {
    py.detach(|| host_mounts::unmount(target)).map_err(|error| step_failed(py, "mount.unmount", error))
}

#[pyfunction]
fn pin_network(py: Python<'_>, path: &str) -> PyResult<()> {
    py.detach(|| host_mounts::pin_network(path)).map_err(|error| step_failed(py, "ns.pin", error))
}

#[pyfunction]
fn unpin_network(py: Python<'_>, path: &str) -> PyResult<()> {
    py.detach(|| host_mounts::unpin_network(path)).map_err(|error| step_failed(py, "ns.unpin", error))
}

/// The caller owns the descriptor.
#[pyfunction]
fn mount_view(py: Python<'_>, lower: Vec<String>, options: Vec<String>) -> PyResult<i32> {
    let view = py.detach(|| host_mounts::view(&lower, &options));
    view.map(IntoRawFd::into_raw_fd).map_err(|error| step_failed(py, "mount.overlay", error))
}

#[pyfunction]
fn read_file<'py>(py: Python<'py>, root: i32, path: &str, limit: u64) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let read = || {
        let root: BorrowedFd<'_> = borrow(root)?;
        host_mounts::read_file(root, path, limit)
    };
    match py.detach(read).map_err(|error| step_failed(py, "mount.overlay", error))? {
        Contents::Missing => Ok(None),
        Contents::Bytes(bytes) => Ok(Some(PyBytes::new(py, &bytes))),
        Contents::TooLong => Err(raise(py, "InvalidArgument", (format!("{path} has more than {limit} bytes"),))),
    }
}

#[pyfunction]
fn open_folder(py: Python<'_>, root: i32, path: &str) -> PyResult<Option<i32>> {
    let open = || {
        let root: BorrowedFd<'_> = borrow(root)?;
        host_mounts::open_folder(root, path)
    };
    let found = py.detach(open).map_err(|error| step_failed(py, "mount.overlay", error))?;
    Ok(found.map(IntoRawFd::into_raw_fd))
}

#[pyfunction]
fn probe_overlay(py: Python<'_>, folder: &str) -> PyResult<&'static str> {
    py.detach(|| host_mounts::probe_overlay(folder)).map_err(|error| step_failed(py, "mount.overlay", error))
}

/// Add this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(mount_overlay, module)?)?;
    module.add_function(wrap_pyfunction!(mount_bind, module)?)?;
    module.add_function(wrap_pyfunction!(mount_unmount, module)?)?;
    module.add_function(wrap_pyfunction!(pin_network, module)?)?;
    module.add_function(wrap_pyfunction!(unpin_network, module)?)?;
    module.add_function(wrap_pyfunction!(mount_view, module)?)?;
    module.add_function(wrap_pyfunction!(read_file, module)?)?;
    module.add_function(wrap_pyfunction!(open_folder, module)?)?;
    module.add_function(wrap_pyfunction!(probe_overlay, module)?)
}
