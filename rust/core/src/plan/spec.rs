//! The parts of `config.json` and of the launch options that are named (runtime-spec config.md, config-linux.md).
//!
//! The same values as `minidock.oci.runtime` and `minidock.kernel.launch`. Fields that the planner does not use are
//! decoded too: what has the wrong shape is refused, by both twins.
#![expect(dead_code, reason = "some fields are decoded only to check their shape")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RuntimeSpec {
    oci_version: String,
    pub process: Option<Process>,
    pub root: Option<Root>,
    pub hostname: String,
    pub domainname: String,
    pub mounts: Vec<Mount>,
    annotations: Option<BTreeMap<String, String>>,
    pub linux: Option<Linux>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Process {
    pub args: Vec<String>,
    pub cwd: String,
    pub terminal: bool,
    console_size: Option<ConsoleSize>,
    pub user: User,
    pub env: Vec<String>,
    pub capabilities: Option<Capabilities>,
    pub rlimits: Option<Vec<Rlimit>>,
    pub no_new_privileges: bool,
    pub oom_score_adj: Option<i64>,
    apparmor_profile: String,
    selinux_label: String,
}

#[derive(Deserialize)]
struct ConsoleSize {
    height: i64,
    width: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct User {
    pub uid: i64,
    pub gid: i64,
    pub umask: Option<i64>,
    pub additional_gids: Option<Vec<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Capabilities {
    pub bounding: Vec<String>,
    pub effective: Vec<String>,
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub ambient: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Rlimit {
    pub r#type: String,
    pub soft: u64,
    pub hard: u64,
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Root {
    pub path: String,
    pub readonly: bool,
}

#[derive(Deserialize)]
pub(super) struct Mount {
    pub destination: String,
    #[serde(default)]
    pub r#type: String,
    #[serde(default)]
    pub source: String,
    #[serde(default)]
    pub options: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Namespace {
    pub r#type: String,
    #[serde(default)]
    pub path: String,
}

#[derive(Deserialize)]
pub(super) struct IdMap {
    #[serde(rename = "containerID")]
    pub container_id: i64,
    #[serde(rename = "hostID")]
    pub host_id: i64,
    pub size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub path: String,
    pub r#type: String,
    #[serde(default)]
    pub major: i64,
    #[serde(default)]
    pub minor: i64,
    pub file_mode: Option<i64>,
    pub uid: Option<i64>,
    pub gid: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct DeviceRule {
    pub allow: bool,
    #[serde(default = "any_type")]
    pub r#type: String,
    pub major: Option<i64>,
    pub minor: Option<i64>,
    #[serde(default = "any_access")]
    pub access: String,
}

fn any_type() -> String {
    "a".into()
}

fn any_access() -> String {
    "rwm".into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    limit: Option<i64>,
    reservation: Option<i64>,
    swap: Option<i64>,
    kernel: Option<i64>,
    swappiness: Option<i64>,
    #[serde(rename = "disableOOMKiller")]
    disable_oom_killer: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cpu {
    shares: Option<i64>,
    quota: Option<i64>,
    period: Option<i64>,
    realtime_runtime: Option<i64>,
    realtime_period: Option<i64>,
    #[serde(default)]
    cpus: String,
    #[serde(default)]
    mems: String,
}

#[derive(Deserialize)]
pub(super) struct Pids {
    limit: i64,
}

#[derive(Deserialize)]
pub(super) struct ThrottleDevice {
    major: i64,
    minor: i64,
    rate: i64,
}

#[derive(Deserialize)]
pub(super) struct WeightDevice {
    major: i64,
    minor: i64,
    weight: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockIo {
    weight: Option<i64>,
    weight_device: Option<Vec<WeightDevice>>,
    throttle_read_bps_device: Option<Vec<ThrottleDevice>>,
    throttle_write_bps_device: Option<Vec<ThrottleDevice>>,
    #[serde(rename = "throttleReadIOPSDevice")]
    throttle_read_iops_device: Option<Vec<ThrottleDevice>>,
    #[serde(rename = "throttleWriteIOPSDevice")]
    throttle_write_iops_device: Option<Vec<ThrottleDevice>>,
}

#[derive(Deserialize)]
pub(super) struct Resources {
    pub devices: Option<Vec<DeviceRule>>,
    memory: Option<Memory>,
    cpu: Option<Cpu>,
    pids: Option<Pids>,
    #[serde(rename = "blockIO")]
    block_io: Option<BlockIo>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeccompArg {
    pub index: i64,
    pub value: u64,
    pub op: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value_two: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyscallRule {
    pub names: Vec<String>,
    pub action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<SeccompArg>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seccomp {
    pub default_action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architectures: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscalls: Option<Vec<SyscallRule>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Linux {
    pub namespaces: Vec<Namespace>,
    pub uid_mappings: Option<Vec<IdMap>>,
    pub gid_mappings: Option<Vec<IdMap>>,
    pub devices: Option<Vec<Device>>,
    cgroups_path: String,
    pub resources: Option<Resources>,
    pub seccomp: Option<Seccomp>,
    pub sysctl: Option<BTreeMap<String, String>>,
    pub masked_paths: Option<Vec<String>>,
    pub readonly_paths: Option<Vec<String>>,
    pub rootfs_propagation: String,
    mount_label: String,
}

#[derive(Deserialize)]
pub(super) struct OverlayRoot {
    pub lower: Vec<String>,
    pub upper: String,
    pub work: String,
    #[serde(default)]
    pub options: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct CgroupPlan {
    pub mode: String,
    pub dirs: Vec<String>,
    #[serde(default)]
    pub limits: Vec<(String, String)>,
    #[serde(default)]
    pub devices: String,
}

#[derive(Deserialize)]
pub(super) struct LaunchOptions {
    pub bundle: String,
    pub overlay: Option<OverlayRoot>,
    pub cgroup: Option<CgroupPlan>,
    #[serde(default)]
    pub bind_devices: bool,
    pub capabilities: Option<Vec<String>>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            args: Vec::new(),
            cwd: "/".into(),
            terminal: false,
            console_size: None,
            user: User::default(),
            env: Vec::new(),
            capabilities: None,
            rlimits: None,
            no_new_privileges: false,
            oom_score_adj: None,
            apparmor_profile: String::new(),
            selinux_label: String::new(),
        }
    }
}

impl Default for Root {
    fn default() -> Self {
        Self { path: "rootfs".into(), readonly: false }
    }
}
