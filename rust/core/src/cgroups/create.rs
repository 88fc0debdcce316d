//! Making a group, so that processes can enter it and its limits have files to be written to.

use rustix::fs::{Mode, mkdir};
use rustix::io::Errno;

use super::{exists, is_v2, read, write};
use crate::error::{Attempt, Error, Result};

/// `cgroup.create`: make the folders and their parents. What is there stays.
pub fn create(dirs: &[String]) -> Result<()> {
    dirs.iter().try_for_each(|dir| create_one(dir))
}

fn create_one(dir: &str) -> Result<()> {
    let mut missing = Vec::new(); // the deepest first
    let mut parent = dir.trim_end_matches('/');
    while !exists(parent) {
        missing.push(parent);
        parent = match parent.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => above,
            _ => return Err(Error::system(Errno::NOENT, format!("{dir} is in no control group file system"))),
        };
    }
    let v2 = is_v2(parent);
    if v2 {
        // a group offers its children only what it was told to, and so on up to the root
        for above in ancestors(parent) {
            enable_controllers(above)?;
        }
    }
    for (left, folder) in missing.iter().enumerate().rev() {
        match mkdir(*folder, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {} // another container of the same parent was faster
            other => other.attempt(|| format!("make the control group {folder}"))?,
        }
        if v2 && left > 0 {
            enable_controllers(folder)?;
        } else if !v2 {
            fill_cpuset(folder)?;
        }
    }
    Ok(())
}

/// The folders from the root of the file system down to `dir` that are control groups.
fn ancestors(dir: &str) -> impl Iterator<Item = &str> {
    dir.match_indices('/')
        .map(|(at, _)| &dir[..at])
        .chain([dir])
        .filter(|folder| exists(&format!("{folder}/cgroup.subtree_control")))
}

/// Offer all controllers of the group to its children. One that cannot be offered is left out: a limit that needs it
/// fails when its file is written, and says so.
fn enable_controllers(dir: &str) -> Result<()> {
    let list = |file: &str| Ok(read(&format!("{dir}/{file}"))?.unwrap_or_default());
    let (there, enabled): (String, String) = (list("cgroup.controllers")?, list("cgroup.subtree_control")?);
    let missing = || there.split_whitespace().filter(|name| !enabled.split_whitespace().any(|other| other == *name));
    let all: Vec<String> = missing().map(|name| format!("+{name}")).collect();
    let control = format!("{dir}/cgroup.subtree_control");
    if all.is_empty() || write(&control, &all.join(" ")).is_ok() {
        return Ok(());
    }
    for one in all {
        match write(&control, &one) {
            Err(error) if error.is(Errno::NOENT) && !exists(dir) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// On v1 a new cpuset is empty, and no process can enter it: it gets what its parent has.
fn fill_cpuset(dir: &str) -> Result<()> {
    let Some((parent, _)) = dir.rsplit_once('/') else { return Ok(()) };
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let own = read(&format!("{dir}/{name}"))?;
        if own.is_some_and(|text| text.trim().is_empty()) {
            let above = read(&format!("{parent}/{name}"))?.unwrap_or_default();
            write(&format!("{dir}/{name}"), above.trim())?;
        }
    }
    Ok(())
}
