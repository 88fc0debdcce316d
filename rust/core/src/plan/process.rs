//! The process: its rights, its limits, its user, its program. The last steps, since each one takes something away.

use serde_json::{Value, json};

use super::PlannedStep;
use super::spec::{Capabilities, LaunchOptions, Linux, Process, Rlimit, Seccomp};
use super::words::{Result, Steps, bad, clean, inside, shown, unsupported, whole};
use crate::capability;

const RLIMITS: [&str; 16] = [
    "AS",
    "CORE",
    "CPU",
    "DATA",
    "FSIZE",
    "LOCKS",
    "MEMLOCK",
    "MSGQUEUE",
    "NICE",
    "NOFILE",
    "NPROC",
    "RSS",
    "RTPRIO",
    "RTTIME",
    "SIGPENDING",
    "STACK",
];
const ACTIONS: [&str; 8] = ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "ALLOW", "LOG"];
const COMPARISONS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const ARCHITECTURES: [&str; 5] = ["X86_64", "X86", "X32", "AARCH64", "ARM"];
const FLAGS: [&str; 3] = ["TSYNC", "LOG", "SPEC_ALLOW"];

/// 2^32 - 1 is -1: "leave it as it is", which would be root.
const ID_LIMIT: i64 = (1 << 32) - 2;

/// Everything from the out-of-memory score to exec, in the order that the package's essay explains.
pub(super) fn steps(process: &Process, linux: &Linux, options: &LaunchOptions) -> Result<Steps> {
    if process.args.is_empty() {
        return Err(bad("process.args is empty"));
    }
    let mut found = Steps::new();
    if let Some(score) = process.oom_score_adj {
        if !(-1000..=1000).contains(&score) {
            return Err(bad(format!("process.oomScoreAdj: {score} is out of range")));
        }
        found.push(inside("process.oom", json!({"score": score})));
    }
    if let Some(limits) = process.rlimits.as_ref().filter(|limits| !limits.is_empty()) {
        found.push(inside("process.limits", json!({"rlimits": rlimits(limits)?})));
    }
    found.push(inside("process.cwd", json!({"cwd": clean("process.cwd", &process.cwd)?})));
    if process.no_new_privileges {
        found.push(inside("process.no_new_privs", json!({})));
    }
    let filter = linux.seccomp.as_ref().map(seccomp).transpose()?;
    let nothing = Capabilities::default();
    let sets = capabilities(process.capabilities.as_ref().unwrap_or(&nothing), options)?;
    let mut rights = vec![sets, user(process)?, inside("process.close_fds", json!({}))];
    if let Some(filter) = filter {
        rights.insert(if process.no_new_privileges { rights.len() } else { 0 }, filter);
    }
    found.append(&mut rights);
    for variable in &process.env {
        if variable.find('=').unwrap_or(0) < 1 {
            return Err(bad(format!("process.env: {} is not of the form NAME=value", shown(variable))));
        }
    }
    found.push(inside("process.exec", json!({"argv": process.args, "env": process.env})));
    Ok(found)
}

fn rlimits(limits: &[Rlimit]) -> Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    for Rlimit { r#type: kind, soft, hard } in limits {
        if !has(&RLIMITS, "RLIMIT_", kind) {
            return Err(bad(format!("process.rlimits: unknown type {kind}")));
        }
        if found.iter().any(|other| other["type"] == kind.as_str()) {
            return Err(bad(format!("process.rlimits: {kind} stands there twice")));
        }
        if soft > hard {
            return Err(bad(format!("process.rlimits: {kind}: {soft} is out of range")));
        }
        found.push(json!({"type": kind, "soft": soft, "hard": hard}));
    }
    Ok(found)
}

/// The five sets, without what the host does not have: a container cannot get more than its host.
fn capabilities(sets: &Capabilities, options: &LaunchOptions) -> Result<PlannedStep> {
    let kept = |asked: &[String]| -> Result<Vec<String>> {
        if let Some(unknown) = asked.iter().find(|name| capability::number(name).is_none()) {
            return Err(bad(format!("process.capabilities: unknown capability {unknown}")));
        }
        let has = |name: &&String| options.capabilities.as_ref().is_none_or(|host| host.contains(name));
        Ok(asked.iter().filter(has).cloned().collect())
    };
    let args = json!({
        "bounding": kept(&sets.bounding)?,
        "effective": kept(&sets.effective)?,
        "inheritable": kept(&sets.inheritable)?,
        "permitted": kept(&sets.permitted)?,
        "ambient": kept(&sets.ambient)?,
    });
    Ok(inside("process.capabilities", args))
}

fn user(process: &Process) -> Result<PlannedStep> {
    let user = &process.user;
    let uid = whole("process.user.uid", user.uid, ID_LIMIT)?;
    let gid = whole("process.user.gid", user.gid, ID_LIMIT)?;
    let groups = user.additional_gids.iter().flatten();
    let groups =
        groups.map(|gid| whole("process.user.additionalGids", *gid, ID_LIMIT)).collect::<Result<Vec<i64>>>()?;
    let umask = user.umask.map(|umask| whole("process.user.umask", umask, 0o777)).transpose()?;
    Ok(inside("process.user", json!({"uid": uid, "gid": gid, "groups": groups, "umask": umask})))
}

/// The filter, with every word checked; names of system calls that no architecture has are left to the compiler.
fn seccomp(profile: &Seccomp) -> Result<PlannedStep> {
    let rules = || profile.syscalls.iter().flatten();
    for action in std::iter::once(&profile.default_action).chain(rules().map(|rule| &rule.action)) {
        if action == "SCMP_ACT_NOTIFY" {
            return Err(unsupported("linux.seccomp: SCMP_ACT_NOTIFY is not supported"));
        }
        if !has(&ACTIONS, "SCMP_ACT_", action) {
            return Err(bad(format!("linux.seccomp: unknown action {action}")));
        }
    }
    for architecture in profile.architectures.iter().flatten() {
        if !has(&ARCHITECTURES, "SCMP_ARCH_", architecture) {
            return Err(unsupported(format!("linux.seccomp: architecture {architecture} is not supported")));
        }
    }
    for flag in profile.flags.iter().flatten() {
        if !has(&FLAGS, "SECCOMP_FILTER_FLAG_", flag) {
            return Err(unsupported(format!("linux.seccomp: flag {flag} is not supported")));
        }
    }
    whole("linux.seccomp.defaultErrnoRet", profile.default_errno_ret.unwrap_or(0), 4095)?;
    for rule in rules() {
        whole("linux.seccomp: errnoRet", rule.errno_ret.unwrap_or(0), 4095)?;
        for condition in rule.args.iter().flatten() {
            whole("linux.seccomp: index", condition.index, 5)?;
            if !has(&COMPARISONS, "SCMP_CMP_", &condition.op) {
                return Err(bad(format!("linux.seccomp: unknown comparison {}", condition.op)));
            }
        }
    }
    Ok(inside("process.seccomp", json!({"profile": profile})))
}

fn has(table: &[&str], prefix: &str, word: &str) -> bool {
    word.strip_prefix(prefix).is_some_and(|rest| table.contains(&rest))
}
