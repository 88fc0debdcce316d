//! The birth of the process: its control group, its namespaces, its id maps, and the names that a namespace holds.
//!
//! On cgroup v1 a process that is *born* in a new cgroup namespace sees the host's path of its group; it must join the
//! group first and make the namespace afterwards. On v2 clone3(2) does both in one call, in the right order.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::devices::rules_of;
use super::refuse::{asks, values_at};
use super::spec::{IdMap, LaunchOptions, Linux, RuntimeSpec};
use super::words::{Result, Steps, bad, host, inside, shown, unsupported, whole};

/// All namespaces that a container can have, in the kernel's order (`/proc/self/ns`).
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"];

const ID_LIMIT: i64 = (1 << 32) - 1;
const IPC_SYSCTLS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Say what is wrong with the namespaces and the limits as a whole.
pub(super) fn check(config: &RuntimeSpec, linux: &Linux, options: &LaunchOptions, raw: &Value) -> Result<()> {
    let mut seen = BTreeSet::new();
    for namespace in &linux.namespaces {
        let kind = namespace.r#type.as_str();
        if !NAMESPACES.contains(&kind) {
            return Err(unsupported(format!("linux.namespaces: {} is not supported", shown(kind))));
        }
        if !seen.insert(kind) {
            return Err(bad(format!("linux.namespaces: {kind} stands there twice")));
        }
        if !namespace.path.is_empty() && !namespace.path.starts_with('/') {
            return Err(bad(format!("linux.namespaces: {} is not an absolute path", namespace.path)));
        }
    }
    let made = made(linux);
    if !made.contains(&"mount") {
        return Err(unsupported("linux.namespaces: a container without a new mount namespace is not supported"));
    }
    let nameless = config.hostname.is_empty() && config.domainname.is_empty();
    if !nameless && !seen.contains("uts") {
        return Err(bad("hostname and domainname need a uts namespace"));
    }
    let maps = [&linux.uid_mappings, &linux.gid_mappings].map(|maps| maps.as_ref().is_some_and(|m| !m.is_empty()));
    if made.contains(&"user") && maps.contains(&false) {
        return Err(bad("a new user namespace needs linux.uidMappings and linux.gidMappings"));
    }
    if !made.contains(&"user") && maps.contains(&true) {
        return Err(bad("linux.uidMappings and linux.gidMappings need a new user namespace"));
    }
    limits(options, raw)
}

fn limits(options: &LaunchOptions, raw: &Value) -> Result<()> {
    if let Some(cgroup) = &options.cgroup {
        if cgroup.mode != "v1" && cgroup.mode != "v2" {
            return Err(bad(format!("cgroup mode {}: neither v1 nor v2", cgroup.mode)));
        }
        if !cgroup.limits.is_empty() {
            return Ok(());
        }
    }
    for name in ["memory", "cpu", "pids", "blockIO"] {
        if values_at(raw, &format!("linux.resources.{name}")).into_iter().any(asks) {
            let why = "needs a control group, and this launch has no such limits";
            return Err(unsupported(format!("linux.resources.{name} {why}")));
        }
    }
    Ok(())
}

/// The control group: made, limited, filtered, before any process is in it.
pub(super) fn cgroup(linux: &Linux, options: &LaunchOptions) -> Result<Steps> {
    let Some(cgroup) = &options.cgroup else { return Ok(Steps::new()) };
    let mut steps = vec![host("cgroup.create", json!({"dirs": cgroup.dirs}))];
    steps.extend(cgroup.limits.iter().map(|(file, value)| host("cgroup.limit", json!({"file": file, "value": value}))));
    let rules = rules_of(linux)?;
    if !cgroup.devices.is_empty() && !rules.is_empty() {
        let args = json!({"dir": cgroup.devices, "mode": cgroup.mode, "rules": rules});
        steps.push(host("cgroup.devices", args));
    }
    Ok(steps)
}

/// The clone, and what must happen before the process may do anything else.
pub(super) fn birth(linux: &Linux, options: &LaunchOptions) -> Result<Steps> {
    let made = made(linux);
    let v1 = options.cgroup.as_ref().filter(|cgroup| cgroup.mode == "v1");
    let v2 = options.cgroup.as_ref().filter(|cgroup| cgroup.mode != "v1");
    let born: Vec<&str> = made.iter().copied().filter(|kind| !(v1.is_some() && *kind == "cgroup")).collect();
    let born_in = v2.and_then(|cgroup| cgroup.dirs.first());
    let mut steps = vec![host("ns.create", json!({"namespaces": born, "cgroup": born_in}))];
    if made.contains(&"user") {
        let args = json!({"uids": lines(&linux.uid_mappings)?, "gids": lines(&linux.gid_mappings)?});
        steps.push(host("ns.idmap", args));
    }
    if let Some(cgroup) = v1 {
        let files: Vec<String> = cgroup.dirs.iter().map(|folder| format!("{folder}/tasks")).collect();
        steps.push(inside("cgroup.enter", json!({"files": files})));
        if made.contains(&"cgroup") {
            steps.push(inside("ns.unshare", json!({"namespaces": ["cgroup"]})));
        }
    }
    for namespace in linux.namespaces.iter().filter(|namespace| !namespace.path.is_empty()) {
        steps.push(inside("ns.join", json!({"namespace": namespace.r#type, "path": namespace.path})));
    }
    Ok(steps)
}

/// Host name, domain name, and the kernel parameters of the namespaces.
pub(super) fn names(config: &RuntimeSpec, linux: &Linux) -> Result<Steps> {
    let mut steps = Steps::new();
    for (op, name) in [("uts.hostname", &config.hostname), ("uts.domainname", &config.domainname)] {
        if !name.is_empty() {
            steps.push(inside(op, json!({"name": name})));
        }
    }
    for (name, value) in linux.sysctl.iter().flatten() {
        let needs = namespace_of_sysctl(name);
        if !linux.namespaces.iter().any(|namespace| Some(namespace.r#type.as_str()) == needs) {
            return Err(bad(format!("linux.sysctl: {name} does not belong to a namespace of this container")));
        }
        steps.push(inside("sysctl.set", json!({"name": name, "value": value})));
    }
    Ok(steps)
}

fn namespace_of_sysctl(name: &str) -> Option<&'static str> {
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) || !name.contains('.') {
        return None; // a slash or an empty part could name a file elsewhere below /proc/sys
    }
    match name {
        _ if IPC_SYSCTLS.contains(&name) || name.starts_with("fs.mqueue.") => Some("ipc"),
        _ if name.starts_with("net.") => Some("network"),
        "kernel.hostname" | "kernel.domainname" => Some("uts"),
        _ => None,
    }
}

fn made(linux: &Linux) -> Vec<&str> {
    let unnamed = linux.namespaces.iter().filter(|namespace| namespace.path.is_empty());
    let mut kinds: Vec<&str> = unnamed.map(|namespace| namespace.r#type.as_str()).collect();
    kinds.sort_unstable();
    kinds
}

fn lines(maps: &Option<Vec<IdMap>>) -> Result<Vec<[i64; 3]>> {
    let lines = maps.iter().flatten().map(|map| [map.container_id, map.host_id, map.size]);
    lines
        .map(|line| line.into_iter().try_for_each(|n| whole("id mapping", n, ID_LIMIT).map(drop)).map(|()| line))
        .collect()
}
