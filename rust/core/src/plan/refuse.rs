//! What is refused: fields of the runtime specification that change a container and that no step of ours carries out.
//!
//! A runtime must ignore properties that it does not *know* (runtime-spec config.md, Extensibility). These it knows,
//! and ignoring them would start a container that is less than what was asked for. An empty value asks for nothing.

use serde_json::Value;

use super::words::{Result, unsupported};

/// Paths into `config.json`; `[]` is "each element of the list".
const REFUSED: [&str; 32] = [
    "hooks",
    "solaris",
    "windows",
    "vm",
    "zos",
    "freebsd",
    "process.commandLine",
    "process.scheduler",
    "process.ioPriority",
    "process.execCPUAffinity",
    "process.selinuxLabel",
    "linux.mountLabel",
    "linux.intelRdt",
    "linux.timeOffsets",
    "linux.personality",
    "linux.memoryPolicy",
    "linux.netDevices",
    "linux.resources.unified",
    "linux.resources.hugepageLimits",
    "linux.resources.rdma",
    "linux.resources.network",
    "linux.resources.memory.kernelTCP",
    "linux.resources.memory.useHierarchy",
    "linux.resources.memory.checkBeforeUpdate",
    "linux.resources.cpu.burst",
    "linux.resources.cpu.idle",
    "linux.resources.blockIO.leafWeight",
    "linux.resources.blockIO.weightDevice[].leafWeight",
    "linux.seccomp.listenerPath",
    "linux.seccomp.listenerMetadata",
    "mounts[].uidMappings",
    "mounts[].gidMappings",
];

/// Refuse the first of these fields that asks for something.
pub(super) fn refuse(raw: &Value) -> Result<()> {
    for path in REFUSED {
        if values_at(raw, path).into_iter().any(asks) {
            return Err(unsupported(format!("{path} is not supported")));
        }
    }
    for profile in values_at(raw, "process.apparmorProfile") {
        if asks(profile) && profile != "unconfined" {
            return Err(unsupported("process.apparmorProfile is not supported; leave it out, or say unconfined"));
        }
    }
    Ok(())
}

/// Return what stands in `value` at `path`; nothing where the shape is another one (decoding tells that).
pub(super) fn values_at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('.').fold(vec![value], |values, part| {
        let (name, each) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        let found = values.into_iter().filter_map(|value| value.as_object()?.get(name));
        found.flat_map(|value| if each { elements(value) } else { vec![value] }).collect()
    })
}

fn elements(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// Say whether `value` asks for anything: 0 and -1 are "no limit", empty values are nothing.
pub(super) fn asks(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64().is_none_or(|number| number != 0.0 && number != -1.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(asks),
    }
}
