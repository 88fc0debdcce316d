//! The steps of a launch plan: what each operation's arguments are, and who carries it out.
//!
//! A plan is a list of `{"op", "side", "args"}`, in the order drawn in `python/minidock/runtime/__init__.py`; the names
//! and their meaning stand in `python/minidock/trace/ops.py`. Reading a plan turns each entry into one value of
//! [`Op`], so that nothing can be misspelt later: a plan that is not understood as a whole is not begun.
//!
//! | file            | steps                                                              |
//! |-----------------|--------------------------------------------------------------------|
//! | `inside`        | all steps of the new process, in its own state                     |
//! | `mounts`        | mount.*, root.*  (with `options`, `filesystem`, `overlay`, `root`)  |
//! | `devices`       | dev.*                                                              |
//! | `device_filter` | cgroup.devices                                                     |
//! | `namespaces`    | ns.*                                                               |
//! | `process`       | process.*, sysctl.set (with `caps`)                                |

pub mod caps;
pub mod device_filter;
pub mod devices;
pub mod filesystem;
pub mod inside;
pub mod mounts;
pub mod namespaces;
pub mod options;
pub mod overlay;
pub mod process;
pub mod root;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::seccomp::Profile;
use overlay::Overlay;

/// Who carries a step out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The monitor.
    Host,
    /// The new process.
    Inside,
}

impl Side {
    /// The name in a plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Inside => "inside",
        }
    }
}

/// One entry of a plan.
#[derive(Debug)]
pub struct Planned {
    /// What to do.
    pub op: Op,
    /// Who does it.
    pub side: Side,
    /// The arguments as they came: for the trace.
    pub args: Box<str>,
}

impl<'de> Deserialize<'de> for Planned {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry<'a> {
            op: &'a str,
            side: Side,
            #[serde(borrow)]
            args: &'a RawValue,
        }
        let entry = Entry::deserialize(deserializer)?;
        let op = Op::parse(entry.op, entry.args.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { op, side: entry.side, args: entry.args.get().into() })
    }
}

/// A step that takes another one back (`minidock.trace.journal.Undo`).
#[derive(Debug)]
pub struct Undo {
    /// What to do.
    pub op: Op,
    /// The arguments as they came.
    pub args: Box<str>,
}

impl<'de> Deserialize<'de> for Undo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Entry<'a> {
            op: &'a str,
            #[serde(borrow)]
            args: &'a RawValue,
        }
        let entry = Entry::deserialize(deserializer)?;
        let op = Op::parse(entry.op, entry.args.get()).map_err(serde::de::Error::custom)?;
        Ok(Self { op, args: entry.args.get().into() })
    }
}

/// Declares all operations once: the variant, its name in a plan, and the type of its arguments.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident($args:ty) = $name:literal,)*) => {
        /// An operation with its arguments.
        #[derive(Debug)]
        pub enum Op {
            $($(#[$doc])* $variant($args),)*
        }

        impl Op {
            /// Read the arguments of the operation `name`.
            pub fn parse(name: &str, args: &str) -> Result<Self> {
                let wrong = |error: serde_json::Error| Error::plain(format!("the arguments of {name}: {error}"));
                match name {
                    $($name => serde_json::from_str(args).map(Self::$variant).map_err(wrong),)*
                    _ => Err(Error::plain(format!("no such operation: {name:?}"))),
                }
            }

            /// The name in a plan.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }
        }
    };
}

operations! {
    /// Make control groups.
    CgroupCreate(DirsArgs) = "cgroup.create",
    /// Write one limit.
    CgroupLimit(FileArgs) = "cgroup.limit",
    /// Set which devices may be used.
    CgroupDevices(CgroupDevicesArgs) = "cgroup.devices",
    /// Kill what is in the groups, and remove them.
    CgroupDelete(DirsArgs) = "cgroup.delete",
    /// Make the process in new namespaces.
    NsCreate(NsCreateArgs) = "ns.create",
    /// Map the identities of a user namespace.
    NsIdmap(IdmapArgs) = "ns.idmap",
    /// Enter the container's v1 control groups.
    CgroupEnter(FilesArgs) = "cgroup.enter",
    /// Leave a namespace for a new one.
    NsUnshare(NamespacesArgs) = "ns.unshare",
    /// Enter a namespace.
    NsJoin(NsJoinArgs) = "ns.join",
    /// Let a pinned namespace go.
    NsUnpin(PathArgs) = "ns.unpin",
    /// Become the leader of a session, with the container's streams.
    Session(SessionArgs) = "process.session",
    /// Say how mounts spread.
    Propagation(PropagationArgs) = "mount.propagation",
    /// Mount an overlay.
    MountOverlay(OverlayArgs) = "mount.overlay",
    /// Show a file or folder at a second place.
    MountBind(BindArgs) = "mount.bind",
    /// Mount a file system.
    MountFs(FsArgs) = "mount.fs",
    /// Take a mount away.
    MountUnmount(TargetArgs) = "mount.unmount",
    /// Make device nodes.
    DevCreate(DevicesArgs) = "dev.create",
    /// Make links in /dev.
    DevLinks(LinksArgs) = "dev.links",
    /// Open the container's terminal.
    DevConsole(RootArgs) = "dev.console",
    /// Change the root.
    RootPivot(RootArgs) = "root.pivot",
    /// Make the root read-only.
    RootReadonly(NoArgs) = "root.readonly",
    /// Set the host name.
    Hostname(NameArgs) = "uts.hostname",
    /// Set the domain name.
    Domainname(NameArgs) = "uts.domainname",
    /// Set a kernel parameter.
    Sysctl(SysctlArgs) = "sysctl.set",
    /// Make paths read-only.
    MountReadonly(PathsArgs) = "mount.readonly",
    /// Cover paths.
    MountMask(PathsArgs) = "mount.mask",
    /// Set the score by which the kernel picks its victim.
    Oom(OomArgs) = "process.oom",
    /// Set resource limits.
    Limits(LimitsArgs) = "process.limits",
    /// Enter the working folder.
    Cwd(CwdArgs) = "process.cwd",
    /// Give up gaining rights.
    NoNewPrivs(NoArgs) = "process.no_new_privs",
    /// Put the system call filter on.
    Seccomp(SeccompArgs) = "process.seccomp",
    /// Cut the capabilities.
    Capabilities(caps::Names) = "process.capabilities",
    /// Become the user.
    User(UserArgs) = "process.user",
    /// Let no descriptor through.
    CloseFds(NoArgs) = "process.close_fds",
    /// Become the program.
    Exec(ExecArgs) = "process.exec",
    /// Have another runtime start the container.
    RuntimeRun(RuntimeArgs) = "runtime.run",
    /// Remove a link.
    LinkDelete(NameArgs) = "link.delete",
    /// Apply firewall rules.
    NftApply(NftArgs) = "nft.apply",
    /// Remove a file or a tree.
    StoreRemove(PathArgs) = "store.remove",
}

/// Declares a struct of arguments whose fields are all public.
macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Deserialize)]
            pub struct $name {
                $($(#[$attribute])* #[allow(missing_docs, reason = "the table of ops says what each argument is")] pub $field: $type,)*
            }
        )*
    };
}

arguments! {
    /// No arguments.
    NoArgs {}
    /// Folders.
    DirsArgs { dirs: Vec<String>, }
    /// Files.
    FilesArgs { files: Vec<String>, }
    /// A file and what is written to it.
    FileArgs { file: String, value: String, }
    /// A group, the kernel's interface to it, and rules.
    CgroupDevicesArgs { dir: String, mode: String, rules: Vec<device_filter::Rule>, }
    /// Namespaces to be born in, and a v2 control group.
    NsCreateArgs { namespaces: Vec<String>, cgroup: Option<String>, }
    /// Lines of `[inside, outside, size]`.
    IdmapArgs { uids: Vec<[u32; 3]>, gids: Vec<[u32; 3]>, }
    /// Namespaces.
    NamespacesArgs { namespaces: Vec<String>, }
    /// A namespace and where it is pinned.
    NsJoinArgs { namespace: String, path: String, }
    /// Whether the container has a terminal.
    SessionArgs { terminal: bool, }
    /// Where, and `rslave` or another word.
    PropagationArgs { target: String, mode: String, }
    /// An overlay and its place.
    OverlayArgs { target: String, #[serde(flatten)] overlay: Overlay, }
    /// With `root`, the target is found inside it.
    BindArgs { source: String, target: String, #[serde(default)] options: Vec<String>, #[serde(default)] root: Option<String>, }
    /// With `root`, the target is found inside it.
    FsArgs {
        #[serde(rename = "type")] kind: String, #[serde(default)] source: String, target: String,
        #[serde(default)] options: Vec<String>, #[serde(default)] root: Option<String>,
    }
    /// A mount's place.
    TargetArgs { target: String, }
    /// `bind`: the host's nodes are bound.
    DevicesArgs { root: String, devices: Vec<Device>, bind: bool, }
    /// A device node.
    Device {
        path: String, #[serde(rename = "type")] kind: String, #[serde(default)] major: u32, #[serde(default)] minor: u32,
        mode: u32, #[serde(default)] uid: u32, #[serde(default)] gid: u32,
    }
    /// Links by path and target.
    LinksArgs { root: String, links: BTreeMap<String, String>, }
    /// The root's place on the host.
    RootArgs { root: String, }
    /// A name.
    NameArgs { name: String, }
    /// A kernel parameter.
    SysctlArgs { name: String, value: String, }
    /// Paths inside the root.
    PathsArgs { paths: Vec<String>, }
    /// −1000 to 1000.
    OomArgs { score: i32, }
    /// Limits.
    LimitsArgs { rlimits: Vec<LimitArgs>, }
    /// One limit.
    LimitArgs { #[serde(rename = "type")] kind: String, soft: i128, hard: i128, }
    /// A folder inside the root.
    CwdArgs { cwd: String, }
    /// The filter in the specification's form.
    SeccompArgs { profile: Profile, }
    /// Who the process becomes.
    UserArgs { uid: u32, gid: u32, #[serde(default)] groups: Vec<u32>, #[serde(default)] umask: Option<u32>, }
    /// The program, its arguments, its environment.
    ExecArgs { argv: Vec<String>, #[serde(default)] env: Vec<String>, }
    /// Another OCI runtime, the bundle, the container's id.
    RuntimeArgs { runtime: String, bundle: String, id: String, }
    /// Rules for `nft -f -`.
    NftArgs { table: String, rules: String, }
    /// A path of the host.
    PathArgs { path: String, }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_a_whole() {
        let json = r#"[{"op":"mount.fs","side":"inside","args":{"type":"proc","source":"proc","root":"/r","target":"/proc"}},
                       {"op":"process.limits","side":"inside","args":{"rlimits":[{"type":"RLIMIT_CORE","soft":-1,"hard":18446744073709551615}]}}]"#;
        let plan: Vec<Planned> = serde_json::from_str(json).unwrap();
        assert_eq!(plan[0].op.name(), "mount.fs");
        assert!(plan[0].args.starts_with(r#"{"type""#));
        let Op::Limits(limits) = &plan[1].op else { panic!() };
        assert_eq!(limits.rlimits[0].soft, -1);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for json in [
            r#"[{"op":"mount.magic","side":"inside","args":{}}]"#,
            r#"[{"op":"mount.fs","side":"inside","args":{"target":"/proc"}}]"#,
            r#"[{"op":"root.readonly","side":"above","args":{}}]"#,
        ] {
            assert!(serde_json::from_str::<Vec<Planned>>(json).is_err(), "{json}");
        }
    }
}
