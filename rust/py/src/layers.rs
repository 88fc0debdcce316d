//! The `Layers` port: see `minidock.kernel.native.layers`, which gives these functions their names and types.

use std::path::PathBuf;

use minidock_core::layers::{self, Applied, Error, Limits};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};

use crate::errors::raise;

/// Entries, bytes of names, bytes of tar, and bytes of tar for each byte of the blob.
type RawLimits = (u64, u64, u64, u64);
/// The blob's digest and size, the tar's digest and size, entries, bytes of files.
type RawApplied = (String, u64, String, u64, u64, u64);

/// How much of a buffer that may change is copied at once: it stays in the processor's cache.
const COPIED: isize = 128 << 10;

fn limits_of((entries, names, base, ratio): RawLimits) -> Limits {
    Limits { entries, names, base, ratio }
}

fn raw(applied: &Applied) -> RawApplied {
    let Applied { blob, blob_size, diff_id, tar_size, entries, size } = applied;
    (layers::hex(blob), *blob_size, layers::hex(diff_id), *tar_size, *entries, *size)
}

/// Raises the class of `minidock.errors` that an error stands for.
fn mapped(py: Python<'_>, op: &str, error: Error) -> PyErr {
    match error {
        Error::Invalid(message) => raise(py, "InvalidArchive", (message,)),
        Error::System { errno, detail } => raise(py, "StepFailed", (op, errno, detail)),
        Error::Unsupported(message) => raise(py, "Unsupported", (message,)),
        Error::Argument(message) => raise(py, "InvalidArgument", (message,)),
    }
}

/// Unpacks a layer.
#[pyfunction]
fn layer_apply(
    py: Python<'_>,
    source: PathBuf,
    target: PathBuf,
    compression: &str,
    whiteouts: &str,
    limits: RawLimits,
) -> PyResult<RawApplied> {
    let limits = limits_of(limits);
    let applied = py.detach(|| layers::apply(&source, &target, compression, whiteouts, &limits));
    applied.map(|applied| raw(&applied)).map_err(|error| mapped(py, "layer.apply", error))
}

/// Lists an archive's entries as JSON lines.
#[pyfunction]
fn layer_entries<'py>(
    py: Python<'py>,
    source: PathBuf,
    compression: &str,
    limits: RawLimits,
) -> PyResult<Bound<'py, PyBytes>> {
    let limits = limits_of(limits);
    let list = py.detach(|| layers::entries(&source, compression, &limits));
    list.map(|list| PyBytes::new(py, &list)).map_err(|error| mapped(py, "layer.entries", error))
}

/// Archives a folder.
#[pyfunction]
fn layer_make(
    py: Python<'_>,
    upper: PathBuf,
    target: PathBuf,
    compression: &str,
    whiteouts: &str,
) -> PyResult<RawApplied> {
    let applied = py.detach(|| layers::make(&upper, &target, compression, whiteouts));
    applied.map(|applied| raw(&applied)).map_err(|error| mapped(py, "layer.make", error))
}

/// Hashes a buffer. Bytes cannot change, so they are read in place without the GIL; any other buffer is copied piece by
/// piece, because another thread may write into it.
#[pyfunction]
fn digest(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        return Ok(layers::hex(&py.detach(|| layers::digest(bytes))));
    }
    let view = PyMemoryView::from(data)?.call_method1("cast", ("B",))?;
    let mut hasher = layers::Hasher::new();
    let mut start = 0;
    loop {
        let part = view.get_item(PySlice::new(py, start, start + COPIED, 1))?.call_method0("tobytes")?;
        let part = part.cast::<PyBytes>()?.as_bytes();
        if part.is_empty() {
            return Ok(layers::hex(&hasher.finish()));
        }
        py.detach(|| hasher.update(part));
        start += COPIED;
    }
}

/// Hashes a file.
#[pyfunction]
fn digest_file(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    Ok(layers::hex(&py.detach(|| layers::digest_file(&path))?))
}

/// Uncompresses a buffer.
#[pyfunction]
fn inflate<'py>(py: Python<'py>, data: &[u8], compression: &str, limit: u64) -> PyResult<Bound<'py, PyBytes>> {
    let plain = py.detach(|| layers::inflate(data, compression, limit));
    plain.map(|plain| PyBytes::new(py, &plain)).map_err(|error| mapped(py, "layer.inflate", error))
}

/// Compresses a buffer.
#[pyfunction]
fn deflate<'py>(py: Python<'py>, data: &[u8], compression: &str) -> PyResult<Bound<'py, PyBytes>> {
    let packed = py.detach(|| layers::deflate(data, compression));
    packed.map(|packed| PyBytes::new(py, &packed)).map_err(|error| mapped(py, "layer.deflate", error))
}

/// Adds the port's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(layer_apply, module)?)?;
    module.add_function(wrap_pyfunction!(layer_entries, module)?)?;
    module.add_function(wrap_pyfunction!(layer_make, module)?)?;
    module.add_function(wrap_pyfunction!(digest, module)?)?;
    module.add_function(wrap_pyfunction!(digest_file, module)?)?;
    module.add_function(wrap_pyfunction!(inflate, module)?)?;
    module.add_function(wrap_pyfunction!(deflate, module)?)
}
