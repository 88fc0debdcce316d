//! The container's tree: the root, what is mounted on it, and what is covered or made read-only in the end.
//!
//! Every option and file system type is checked against a table: a word that we do not know could be the one that was
//! to keep the container from writing. Destinations are checked too: a mount over `/proc` or below it could show a
//! program a forged kernel, and switch off what masking protects (CVE-2019-19921, CVE-2023-27561).

use serde_json::json;

use super::PlannedStep;
use super::spec::{CgroupPlan, LaunchOptions, Linux, Mount, RuntimeSpec};
use super::words::{Result, Steps, bad, clean, inside, shown, unsupported};

/// Options of every mount (mount(8)): attributes of the mount, not of the file system.
const FLAGS: [&str; 21] = [
    "ro",
    "rw",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "noexec",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "symfollow",
    "nosymfollow",
    "defaults",
    "silent",
    "loud",
];
/// Options of every file system; a bind mount has none.
const COMMON: [&str; 7] = ["sync", "async", "dirsync", "lazytime", "nolazytime", "mand", "nomand"];
/// The same for a whole tree of mounts (runtime-spec config.md, Linux mount options).
const RECURSIVE: [&str; 18] = [
    "rro",
    "rrw",
    "rnosuid",
    "rsuid",
    "rnodev",
    "rdev",
    "rnoexec",
    "rexec",
    "rnodiratime",
    "rdiratime",
    "rrelatime",
    "rnorelatime",
    "rnoatime",
    "ratime",
    "rstrictatime",
    "rnostrictatime",
    "rnosymfollow",
    "rsymfollow",
];
const PROPAGATION: [&str; 8] =
    ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];
const BINDS: [&str; 2] = ["bind", "rbind"];

/// Single files below /proc that may be replaced, as programs like lxcfs do.
const PROC_FILES: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];
const CGROUP_TOP: &str = "/sys/fs/cgroup";

/// File systems that the kernel makes up, and the options that each understands. None of them reads a device.
fn options_of(file_system: &str) -> Option<&'static [&'static str]> {
    Some(match file_system {
        "proc" => &["hidepid", "gid", "subset"],
        "tmpfs" => {
            &["size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "huge", "mpol", "inode32", "inode64", "noswap"]
        }
        "devpts" => &["newinstance", "ptmxmode", "mode", "uid", "gid", "max"],
        "cgroup2" => &["nsdelegate", "memory_localevents", "memory_recursiveprot", "favordynmods"],
        "ramfs" => &["mode"],
        "hugetlbfs" => &["pagesize", "size", "min_size", "nr_inodes", "mode", "uid", "gid"],
        "bpf" | "debugfs" | "tracefs" => &["mode", "uid", "gid"],
        "sysfs" | "mqueue" | "cgroup" | "securityfs" => &[],
        _ => return None,
    })
}

/// Propagation, the root, and all mounts of the specification in their order.
pub(super) fn tree(config: &RuntimeSpec, linux: &Linux, options: &LaunchOptions, root: &str) -> Result<Steps> {
    let mode = if linux.rootfs_propagation.is_empty() { "rslave" } else { &linux.rootfs_propagation };
    if !["private", "rprivate", "slave", "rslave"].contains(&mode) {
        let why = "is not supported; mounts of a container stay its own";
        return Err(unsupported(format!("linux.rootfsPropagation: {mode} {why}")));
    }
    let mut steps = vec![inside("mount.propagation", json!({"target": "/", "mode": mode})), root_mount(options, root)];
    for mount in &config.mounts {
        let target = clean("mounts", &mount.destination)?;
        if is_bind(mount) {
            steps.push(bind(mount, &target, options, root)?);
            continue;
        }
        check_file_system(mount, &target)?;
        if mount.r#type == "cgroup" {
            let own = linux.namespaces.iter().any(|namespace| namespace.r#type == "cgroup");
            steps.extend(cgroups(mount, &target, options, root, own)?);
        } else {
            // a read-only tmpfs stays writable until all that lies below it is mounted: see closing()
            let kept = mount.options.iter().map(String::as_str).filter(|o| !(mount.r#type == "tmpfs" && *o == "ro"));
            let source = if mount.source.is_empty() { &mount.r#type } else { &mount.source };
            steps.push(fs(&mount.r#type, source, root, &target, kept.collect()));
        }
    }
    Ok(steps)
}

/// Each tmpfs that is to be read-only becomes so now, when everything below it is mounted.
pub(super) fn closing(config: &RuntimeSpec, options: &LaunchOptions, root: &str) -> Result<Steps> {
    let v1 = options.cgroup.as_ref().is_some_and(|cgroup| cgroup.mode == "v1");
    let mut steps = Steps::new();
    for mount in &config.mounts {
        let is_tmpfs = mount.r#type == "tmpfs" || (mount.r#type == "cgroup" && v1);
        if is_tmpfs && !is_bind(mount) && mount.options.iter().any(|option| option == "ro") {
            let mut words = vec!["remount"];
            words.extend(flags(mount));
            steps.push(fs("tmpfs", "tmpfs", root, &clean("mounts", &mount.destination)?, words));
        }
    }
    Ok(steps)
}

/// Read-only and masked paths, inside the container's root.
pub(super) fn covers(linux: &Linux) -> Result<Steps> {
    let mut steps = Steps::new();
    let covers = [
        ("mount.readonly", "linux.readonlyPaths", &linux.readonly_paths),
        ("mount.mask", "linux.maskedPaths", &linux.masked_paths),
    ];
    for (op, what, paths) in covers {
        let paths = paths.iter().flatten().map(|path| clean(what, path)).collect::<Result<Vec<String>>>()?;
        if !paths.is_empty() {
            steps.push(inside(op, json!({"paths": paths})));
        }
    }
    Ok(steps)
}

/// pivot_root(2) wants a mount, so a plain folder is bound on itself.
fn root_mount(options: &LaunchOptions, root: &str) -> PlannedStep {
    match &options.overlay {
        None => inside("mount.bind", json!({"source": root, "target": root, "options": ["rbind"]})),
        Some(o) => inside(
            "mount.overlay",
            json!({"target": root, "lower": o.lower, "upper": o.upper, "work": o.work, "options": o.options}),
        ),
    }
}

fn fs(kind: &str, source: &str, root: &str, target: &str, options: Vec<&str>) -> PlannedStep {
    inside("mount.fs", json!({"type": kind, "source": source, "root": root, "target": target, "options": options}))
}

fn flags(mount: &Mount) -> Vec<&str> {
    mount.options.iter().map(String::as_str).filter(|option| FLAGS.contains(option)).collect()
}

/// Say whether the mount shows a file or folder of the host.
pub(super) fn is_bind(mount: &Mount) -> bool {
    mount.r#type == "bind" || mount.options.iter().any(|option| BINDS.contains(&option.as_str()))
}

fn bind(mount: &Mount, target: &str, options: &LaunchOptions, root: &str) -> Result<PlannedStep> {
    if mount.source.is_empty() {
        return Err(bad(format!("mounts: {target}: a bind mount needs a source")));
    }
    for option in mount.options.iter().map(String::as_str) {
        if ![&FLAGS[..], &RECURSIVE, &PROPAGATION, &BINDS].iter().any(|table| table.contains(&option)) {
            return Err(bad(format!("mounts: {target}: unknown option {option} of a bind mount")));
        }
    }
    let source = if mount.source.starts_with('/') {
        mount.source.clone()
    } else {
        format!("{}/{}", options.bundle, mount.source)
    };
    let from_host = clean("mounts", &source)?;
    if target == "/" {
        return Err(bad("mounts: nothing can be mounted over the root"));
    }
    if below(target, "/proc") && !PROC_FILES.contains(&target) && from_host != "/proc" {
        return Err(bad(format!("mounts: {target}: /proc and what is below it cannot be replaced")));
    }
    if below(target, "/sys") && !below(&from_host, "/sys") {
        return Err(bad(format!("mounts: {target}: /sys and what is below it cannot be replaced")));
    }
    let mut words: Vec<&str> = mount.options.iter().map(String::as_str).collect();
    if !words.iter().any(|word| BINDS.contains(word)) {
        words.insert(0, "bind");
    }
    Ok(inside("mount.bind", json!({"source": source, "target": target, "options": words, "root": root})))
}

fn check_file_system(mount: &Mount, target: &str) -> Result<()> {
    let kind = mount.r#type.as_str();
    let Some(known) = options_of(kind) else {
        return Err(bad(format!("mounts: {target}: unknown file system type {}", shown(kind))));
    };
    for option in mount.options.iter().map(String::as_str) {
        let name = option.split('=').next().unwrap_or_default();
        let common = [&FLAGS[..], &COMMON, &PROPAGATION].iter().any(|table| table.contains(&option));
        if !common && !known.contains(&name) {
            return Err(bad(format!("mounts: {target}: unknown option {option} of {kind}")));
        }
    }
    if target == "/" {
        return Err(bad("mounts: nothing can be mounted over the root"));
    }
    if (kind == "proc") != (target == "/proc") && (kind == "proc" || below(target, "/proc")) {
        return Err(bad(format!("mounts: {target}: proc belongs to /proc, and nothing else does")));
    }
    if ["tmpfs", "ramfs", "devpts", "mqueue"].contains(&kind) && below(target, "/sys") {
        return Err(bad(format!("mounts: {target}: /sys and what is below it cannot be replaced")));
    }
    Ok(())
}

fn below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The specification's `cgroup` is one mount; what the kernel offers depends on the version.
///
/// v2 has one tree. On v1 there is one tree for each controller, on folders of a tmpfs; without a cgroup namespace
/// (`own`) such a mount would show the whole host's tree, so the container's own folder is bound instead. Without a
/// control group of the container's own, the host's tree is shown, read-only all the way down.
fn cgroups(mount: &Mount, target: &str, options: &LaunchOptions, root: &str, own: bool) -> Result<Steps> {
    let flags = flags(mount);
    match &options.cgroup {
        None if !flags.contains(&"ro") => {
            let why = "a writable cgroup mount needs a control group, and there is none";
            Err(unsupported(format!("mounts: {target}: {why}")))
        }
        None => {
            let mut words = vec!["rbind"];
            words.extend(flags.iter().map(|flag| if *flag == "ro" { "rro" } else { flag }));
            let args = json!({"source": CGROUP_TOP, "target": target, "options": words, "root": root});
            Ok(vec![inside("mount.bind", args)])
        }
        Some(cgroup) if cgroup.mode == "v2" => {
            Ok(vec![fs("cgroup2", "cgroup", root, target, mount.options.iter().map(String::as_str).collect())])
        }
        Some(cgroup) => hierarchies(cgroup, &flags, target, root, own),
    }
}

fn hierarchies(cgroup: &CgroupPlan, flags: &[&str], target: &str, root: &str, own: bool) -> Result<Steps> {
    let mut top: Vec<&str> = flags.iter().copied().filter(|flag| *flag != "ro").collect();
    top.push("mode=755");
    let mut steps = vec![fs("tmpfs", "tmpfs", root, target, top)];
    for folder in &cgroup.dirs {
        let Some(rest) = folder.strip_prefix(CGROUP_TOP).and_then(|rest| rest.strip_prefix('/')) else {
            return Err(bad(format!("cgroup {folder}: not below {CGROUP_TOP}")));
        };
        let hierarchy = rest.split('/').next().unwrap_or_default();
        let at = format!("{target}/{hierarchy}");
        let mut words = flags.to_vec();
        steps.push(if !own {
            words.insert(0, "bind");
            inside("mount.bind", json!({"source": folder, "target": at, "options": words, "root": root}))
        } else if hierarchy == "unified" {
            fs("cgroup2", "cgroup", root, &at, words)
        } else {
            words.push(if hierarchy == "systemd" { "name=systemd" } else { hierarchy });
            fs("cgroup", "cgroup", root, &at, words)
        });
    }
    Ok(steps)
}
