//! The port `Links`: each function is one step of `minidock_core::links`.

use minidock_core::error::Result;
use minidock_core::links;
use pyo3::prelude::*;

use crate::errors::step_failed;

/// One link: (index, name, kind, mac, mtu, up, master, addresses).
type LinkTuple = (u32, String, String, String, u32, bool, u32, Vec<String>);

/// Run one step without the GIL; its failure is a `minidock.errors.StepFailed` of the op.
fn step<T: Send>(py: Python<'_>, op: &'static str, action: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(action).map_err(|error| step_failed(py, op, error))
}

#[pyfunction]
#[pyo3(signature = (name, mtu, mac))]
fn link_bridge(py: Python<'_>, name: &str, mtu: i64, mac: Option<&str>) -> PyResult<()> {
    step(py, "link.bridge", || links::bridge(name, mtu, mac))
}

#[pyfunction]
#[pyo3(signature = (name, bridge, peer, netns, mtu, mac))]
fn link_veth(
    py: Python<'_>,
    name: &str,
    bridge: &str,
    peer: &str,
    netns: &str,
    mtu: i64,
    mac: Option<&str>,
) -> PyResult<()> {
    step(py, "link.veth", || links::veth(name, bridge, peer, netns, mtu, mac))
}

#[pyfunction]
#[pyo3(signature = (name, address, netns))]
fn link_address(py: Python<'_>, name: &str, address: &str, netns: Option<&str>) -> PyResult<()> {
    step(py, "link.address", || links::address(name, address, netns))
}

#[pyfunction]
#[pyo3(signature = (name, netns))]
fn link_up(py: Python<'_>, name: &str, netns: Option<&str>) -> PyResult<()> {
    step(py, "link.up", || links::up(name, netns))
}

#[pyfunction]
#[pyo3(signature = (destination, gateway, netns))]
fn link_route(py: Python<'_>, destination: &str, gateway: &str, netns: Option<&str>) -> PyResult<()> {
    step(py, "link.route", || links::route(destination, gateway, netns))
}

#[pyfunction]
fn link_delete(py: Python<'_>, name: &str) -> PyResult<()> {
    step(py, "link.delete", || links::delete(name))
}

#[pyfunction]
#[pyo3(signature = (name, netns))]
fn link_ready(py: Python<'_>, name: &str, netns: Option<&str>) -> PyResult<bool> {
    step(py, "link.list", || links::ready(name, netns))
}

#[pyfunction]
#[pyo3(signature = (netns))]
fn link_list(py: Python<'_>, netns: Option<&str>) -> PyResult<Vec<LinkTuple>> {
    let found = step(py, "link.list", || links::links(netns))?;
    Ok(found.into_iter().map(|l| (l.index, l.name, l.kind, l.mac, l.mtu, l.up, l.master, l.addresses)).collect())
}

#[pyfunction]
#[pyo3(signature = (netns))]
fn link_routes(py: Python<'_>, netns: Option<&str>) -> PyResult<Vec<String>> {
    step(py, "link.list", || links::routes(netns))
}

/// Add the port's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(link_bridge, module)?)?;
    module.add_function(wrap_pyfunction!(link_veth, module)?)?;
    module.add_function(wrap_pyfunction!(link_address, module)?)?;
    module.add_function(wrap_pyfunction!(link_up, module)?)?;
    module.add_function(wrap_pyfunction!(link_route, module)?)?;
    module.add_function(wrap_pyfunction!(link_delete, module)?)?;
    module.add_function(wrap_pyfunction!(link_ready, module)?)?;
    module.add_function(wrap_pyfunction!(link_list, module)?)?;
    module.add_function(wrap_pyfunction!(link_routes, module)?)
}
