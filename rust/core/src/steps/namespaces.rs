//! Namespaces: making them, entering them, and the identities of a user namespace (namespaces(7)).

use std::fmt::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::error::{Attempt, Error, Result};
use crate::sys;

/// The kernel's flag for a namespace by its name in the runtime specification.
pub fn flag(name: &str) -> Result<u64> {
    let flag = match name {
        "cgroup" => libc::CLONE_NEWCGROUP,
        "ipc" => libc::CLONE_NEWIPC,
        "mount" => libc::CLONE_NEWNS,
        "network" => libc::CLONE_NEWNET,
        "pid" => libc::CLONE_NEWPID,
        "time" => libc::CLONE_NEWTIME,
        "user" => libc::CLONE_NEWUSER,
        "uts" => libc::CLONE_NEWUTS,
        other => return Err(Error::plain(format!("no such namespace: {other:?}"))),
    };
    Ok(flag as u64)
}

/// All flags of a list.
pub fn flags(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |bits, name| Ok(bits | flag(name)?))
}

/// Open the namespace that is pinned at `path`.
pub fn open(path: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("open the namespace {path}"))
}

/// `ns.join`: enter the namespace at `path`.
pub fn join(name: &str, path: &str) -> Result<()> {
    sys::namespaces::setns(open(path)?.as_fd(), flag(name)?).attempt(|| format!("enter the {name} namespace {path}"))
}

/// Write the identities of the user namespace of process `pid` (user_namespaces(7)).
///
/// Whoever may not set groups outside must give that right up inside before the group map is taken.
pub fn write_id_maps(pid: Pid, uids: &[[u32; 3]], gids: &[[u32; 3]]) -> Result<()> {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    if let Err(error) = write(&format!("{folder}/gid_map"), &lines(gids)) {
        if !error.is(Errno::PERM) {
            return Err(error);
        }
        write(&format!("{folder}/setgroups"), "deny")?;
        write(&format!("{folder}/gid_map"), &lines(gids))?;
    }
    write(&format!("{folder}/uid_map"), &lines(uids))
}

fn lines(map: &[[u32; 3]]) -> String {
    map.iter().fold(String::new(), |mut text, [inside, outside, size]| {
        let _ = writeln!(text, "{inside} {outside} {size}"); // writing to a string cannot fail
        text
    })
}

fn write(path: &str, text: &str) -> Result<()> {
    let file =
        rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).attempt(|| format!("open {path}"))?;
    rustix::io::write(&file, text.as_bytes()).attempt(|| format!("write {:?} to {path}", text.trim_end()))?;
    Ok(())
}
