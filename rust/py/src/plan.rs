//! The planner of the port `Launch`.

use minidock_core::plan::{PlanError, plan as plan_steps};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::raise;

/// Turn a `config.json` and launch options into a plan, as JSON.
#[pyfunction]
pub fn plan<'py>(py: Python<'py>, spec: &[u8], options: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let steps = py.detach(|| plan_steps(spec, options)).map_err(|error| match error {
        PlanError::Unsupported(message) => raise(py, "Unsupported", (message,)),
        PlanError::InvalidArgument(message) => raise(py, "InvalidArgument", (message,)),
    })?;
    let json = serde_json::to_vec(&steps).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &json))
}

/// Add this file's names to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(plan, module)?)
}
