//! Steps of the host side, and the steps that take them back.
//!
//! An undo is idempotent: what is not there any more is fine. It is the same code for a launch that failed, for a
//! container that ended, and for a clean-up after a crash.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::error::{Attempt, Error, Result};
use crate::steps::{BindArgs, Op, OverlayArgs, Planned, TargetArgs, Undo, device_filter, mounts};
use crate::{cgroups, links};

/// Carry out one step of the host, other than those that make or concern the new process.
pub fn run(op: &Op) -> Result<()> {
    match op {
        Op::CgroupCreate(args) => cgroups::create(&args.dirs),
        Op::CgroupLimit(args) => cgroups::limit(&args.file, &args.value),
        Op::CgroupDevices(args) if args.mode == "v1" => device_filter::apply_v1(&args.dir, &args.rules),
        Op::CgroupDevices(args) if args.mode == "v2" => device_filter::apply_v2(&args.dir, &args.rules),
        Op::CgroupDevices(args) => Err(Error::plain(format!("no such mode of control groups: {:?}", args.mode))),
        Op::CgroupDelete(args) => cgroups::delete(&args.dirs),
        Op::MountOverlay(args) => args.overlay.mount_at(&args.target),
        Op::MountBind(args) => mounts::bind(args),
        Op::MountUnmount(args) => unmount_all(&args.target),
        Op::NsUnpin(args) => unpin(&args.path),
        Op::LinkDelete(args) => links::delete(&args.name),
        Op::NftApply(args) => apply_rules(&args.rules),
        Op::StoreRemove(args) => remove(&args.path),
        _ => Err(Error::plain("this step is not for the host")),
    }
}

/// The step that takes `planned` back; `None` if nothing of it would stay.
pub fn undo(planned: &Planned) -> Option<Undo> {
    let target = |target: &str| TargetArgs { target: target.to_owned() };
    let (op, args) = match &planned.op {
        Op::CgroupCreate(args) => (Op::CgroupDelete(args.clone()), planned.args.clone()),
        Op::MountOverlay(OverlayArgs { target: at, .. }) | Op::MountBind(BindArgs { target: at, .. }) => {
            let args = serde_json::json!({ "target": at });
            (Op::MountUnmount(target(at)), args.to_string().into_boxed_str())
        }
        _ => return None,
    };
    Some(Undo { op, args })
}

/// `mount.unmount`: take away whatever is mounted at `target`.
pub fn unmount_all(target: &str) -> Result<()> {
    loop {
        match unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT | Errno::NOTDIR) => return Ok(()), // nothing (more) is mounted there
            Err(errno) => return Err(Error::system(errno, format!("unmount {target}"))),
        }
    }
}

/// `ns.unpin`: let a pinned namespace go, and remove the file it was pinned on.
pub fn unpin(path: &str) -> Result<()> {
    unmount_all(path)?;
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(errno) => Err(Error::system(errno, format!("remove {path}"))),
    }
}

/// `nft.apply`: one transaction.
fn apply_rules(rules: &str) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default(); // an ordinary user's often lacks the last two
    let mut child = Command::new("nft")
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .attempt(|| "start nft".into())?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(rules.as_bytes()));
    let output = child.wait_with_output().attempt(|| "wait for nft".into())?;
    if output.status.success() {
        return written.attempt(|| "hand the rules to nft".into());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Error::plain(format!("nft refused: {}", words.lines().next().unwrap_or("no reason given"))))
}

/// `store.remove`: a file, or a tree without following a link out of it.
fn remove(path: &str) -> Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(seen) if seen.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.attempt(|| format!("remove {path}")),
    }
}

/// Open the file for writing that a process of the container enters its control group by.
pub fn open_procs(path: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
        .attempt(|| format!("open {path}"))
}
