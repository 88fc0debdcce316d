//! Devices twice: the nodes in `/dev`, and the filter that decides which devices may be opened, whatever nodes exist.
//!
//! Nodes alone protect nothing, since a container with CAP_MKNOD makes its own. The filter alone would do; the nodes
//! are there because programs need them. The default nodes are always allowed, else a specification that only says
//! "deny all" (`runc spec` writes one) would give a container without a working `/dev/null`.

use serde_json::{Value, json};

use super::mounts::is_bind;
use super::spec::{Device, DeviceRule, LaunchOptions, Linux, RuntimeSpec};
use super::words::{Result, Steps, bad, clean, inside, unsupported, whole};

/// runtime-spec config-linux.md, Default Devices: path, major, minor. Console, ptmx and pts come from other steps.
const DEFAULT: [(&str, i64, i64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const NUMBER_LIMIT: i64 = (1 << 32) - 1;

/// The nodes and links of a `/dev` of the container's own, and the console.
pub(super) fn nodes(config: &RuntimeSpec, linux: &Linux, options: &LaunchOptions, root: &str) -> Result<Steps> {
    let mut over_dev = None;
    for mount in &config.mounts {
        if clean("mounts", &mount.destination)? == "/dev" {
            over_dev = Some(mount);
        }
    }
    let mut steps = Steps::new();
    if over_dev.is_some_and(|mount| !is_bind(mount)) {
        let args = json!({"root": root, "devices": devices(linux)?, "bind": options.bind_devices});
        steps.push(inside("dev.create", args));
        steps.push(inside("dev.links", json!({"root": root, "links": links()})));
    } else if linux.devices.as_ref().is_some_and(|devices| !devices.is_empty()) {
        return Err(unsupported("linux.devices need a file system of the container's own at /dev"));
    }
    if config.process.as_ref().is_some_and(|process| process.terminal) {
        steps.push(inside("dev.console", json!({"root": root})));
    }
    Ok(steps)
}

/// runtime-spec runtime-linux.md, Dev symbolic links; and /dev/ptmx of the container's own devpts.
fn links() -> Value {
    json!({
        "/dev/fd": "/proc/self/fd",
        "/dev/stdin": "/proc/self/fd/0",
        "/dev/stdout": "/proc/self/fd/1",
        "/dev/stderr": "/proc/self/fd/2",
        "/dev/ptmx": "pts/ptmx",
    })
}

fn devices(linux: &Linux) -> Result<Vec<Value>> {
    let mut found: Vec<(String, Value)> = DEFAULT
        .iter()
        .map(|(path, major, minor)| (path.to_string(), node(path, "c", [*major, *minor, 0o666, 0, 0])))
        .collect();
    for device in linux.devices.iter().flatten() {
        let path = clean("linux.devices", &device.path)?;
        let node = asked(device, &path)?;
        match found.iter_mut().find(|(other, _)| *other == path) {
            Some((_, old)) => *old = node,
            None => found.push((path, node)),
        }
    }
    Ok(found.into_iter().map(|(_, node)| node).collect())
}

fn asked(device: &Device, path: &str) -> Result<Value> {
    let kind = device.r#type.as_str();
    if !["c", "b", "u", "p"].contains(&kind) {
        return Err(bad(format!("linux.devices: {}: unknown type {kind}", device.path)));
    }
    let numbers = [
        whole("linux.devices: major", device.major, NUMBER_LIMIT)?,
        whole("linux.devices: minor", device.minor, NUMBER_LIMIT)?,
        whole("linux.devices: fileMode", device.file_mode.unwrap_or(0o666), 0o177777)? & 0o7777,
        whole("linux.devices: uid", device.uid.unwrap_or(0), NUMBER_LIMIT - 1)?,
        whole("linux.devices: gid", device.gid.unwrap_or(0), NUMBER_LIMIT - 1)?,
    ];
    Ok(node(path, if kind == "u" { "c" } else { kind }, numbers))
}

fn node(path: &str, kind: &str, [major, minor, mode, uid, gid]: [i64; 5]) -> Value {
    json!({"path": path, "type": kind, "major": major, "minor": minor, "mode": mode, "uid": uid, "gid": gid})
}

/// The rules of the filter, later ones winning; then the default devices, where no rule of the list allows all.
pub(super) fn rules_of(linux: &Linux) -> Result<Vec<Value>> {
    let asked = linux.resources.iter().flat_map(|resources| resources.devices.iter().flatten());
    let mut rules = asked.map(rule).collect::<Result<Vec<Value>>>()?;
    let last_all = rules.iter().rposition(|rule| rule["type"] == "a");
    if rules.is_empty() || last_all.is_some_and(|at| rules[at]["allow"] == true) {
        return Ok(rules);
    }
    for rule in always_allowed() {
        if !rules[last_all.map_or(0, |at| at + 1)..].contains(&rule) {
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// To make any node (not to open it), and to open the default ones, terminals included.
fn always_allowed() -> Vec<Value> {
    let allow = |kind: &str, major: Option<i64>, minor: Option<i64>, access: &str| json!({"allow": true, "type": kind, "major": major, "minor": minor, "access": access});
    let mut rules = vec![allow("c", None, None, "m"), allow("b", None, None, "m")];
    rules.extend(DEFAULT.iter().map(|(_, major, minor)| allow("c", Some(*major), Some(*minor), "rwm")));
    rules.extend([(5, Some(1)), (5, Some(2)), (136, None)].map(|(major, minor)| allow("c", Some(major), minor, "rwm")));
    rules
}

fn rule(rule: &DeviceRule) -> Result<Value> {
    if !["a", "b", "c"].contains(&rule.r#type.as_str()) {
        return Err(bad(format!("linux.resources.devices: unknown type {}", rule.r#type)));
    }
    if !rule.access.chars().all(|c| "rwm".contains(c)) {
        return Err(bad(format!("linux.resources.devices: unknown access {}", rule.access)));
    }
    let number =
        |n: Option<i64>| n.filter(|n| *n != -1).map(|n| whole("linux.resources.devices", n, NUMBER_LIMIT)).transpose();
    let access = if rule.access.is_empty() { "rwm" } else { &rule.access };
    let (major, minor) = (number(rule.major)?, number(rule.minor)?);
    Ok(json!({"allow": rule.allow, "type": rule.r#type, "major": major, "minor": minor, "access": access}))
}
