//! What is refused: fields of the runtime specification that change a container and that no step of ours carries out.
//!
//! A runtime must ignore properties that it does not *know* (runtime-spec config.md, Extensibility). These it knows,
//! and ignoring them would start a container that is less than what was asked for. An empty value asks for nothing.

use serde_json::Value;

use super::words::{Result, bad, unsupported};

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

/// Where objects stand: serde would take a list in the place of an object too, field by field.
const OBJECTS: [&str; 26] = [
    "process",
    "process.user",
    "process.capabilities",
    "process.consoleSize",
    "process.rlimits[]",
    "root",
    "mounts[]",
    "linux",
    "linux.namespaces[]",
    "linux.uidMappings[]",
    "linux.gidMappings[]",
    "linux.devices[]",
    "linux.resources",
    "linux.resources.devices[]",
    "linux.resources.memory",
    "linux.resources.cpu",
    "linux.resources.pids",
    "linux.resources.blockIO",
    "linux.resources.blockIO.weightDevice[]",
    "linux.resources.blockIO.throttleReadBpsDevice[]",
    "linux.resources.blockIO.throttleWriteBpsDevice[]",
    "linux.resources.blockIO.throttleReadIOPSDevice[]",
    "linux.resources.blockIO.throttleWriteIOPSDevice[]",
    "linux.seccomp",
    "linux.seccomp.syscalls[]",
    "linux.seccomp.syscalls[].args[]",
];

/// Refuse a list in the place of an object.
pub(super) fn check_shapes(raw: &Value) -> Result<()> {
    match OBJECTS.into_iter().find(|path| values_at(raw, path).into_iter().any(Value::is_array)) {
        Some(path) => Err(bad(format!("{path}: expected an object, got a list"))),
        None => Ok(()),
    }
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
