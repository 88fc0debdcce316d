//! The error map: core errors become the classes of `minidock.errors`, imported from Python and never redefined.

use minidock_core::error::Error;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;

/// Make the exception `class` of `minidock.errors` with `args`; if even that fails, the failure is the exception.
pub fn raise<'py>(py: Python<'py>, class: &str, args: impl PyCallArgs<'py>) -> PyErr {
    match py.import("minidock.errors").and_then(|module| module.getattr(class)).and_then(|class| class.call1(args)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// `StepFailed(op, errno, detail)`; `op` counts if the error does not know its own.
pub fn step_failed(py: Python<'_>, op: &str, error: Error) -> PyErr {
    let op = if error.op.is_empty() { op } else { error.op };
    raise(py, "StepFailed", (op, error.errno, error.detail))
}
