//! The end of a group: its processes, then its folders.

use std::collections::BTreeSet;

use rustix::fs::{Dir, Mode, OFlags, open, rmdir};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::freeze::has_freezer;
use super::{exists, freeze, is_v2, read, thaw, wait_until, write};
use crate::error::{Attempt, Error, Result};

/// The ids of all processes in the groups and below them.
pub fn processes(dirs: &[String]) -> Result<Vec<i32>> {
    let mut found = BTreeSet::new();
    for dir in dirs {
        for folder in tree(dir)? {
            let text = read(&format!("{folder}/cgroup.procs"))?.unwrap_or_default();
            found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
        }
    }
    Ok(found.into_iter().collect())
}

/// `cgroup.kill`: kill all processes, and wait until they are gone. A frozen group is thawed.
pub fn kill(dirs: &[String]) -> Result<()> {
    let mut rest = Vec::new();
    for dir in dirs.iter().filter(|dir| exists(dir)) {
        if !(is_v2(dir) && write(&format!("{dir}/cgroup.kill"), "1").is_ok()) {
            rest.push(dir.clone());
        }
    }
    let gone = wait_until(|| {
        if !rest.is_empty() {
            signal_all(&rest)?;
        }
        Ok(processes(dirs)?.is_empty())
    })?;
    if gone {
        return Ok(());
    }
    let left: Vec<String> = processes(dirs)?.iter().map(i32::to_string).collect();
    Err(Error::system(Errno::BUSY, format!("processes {} do not end", left.join(", "))))
}

/// Send SIGKILL to each process. Frozen meanwhile, none can fork away; a frozen process dies when it is thawed.
fn signal_all(dirs: &[String]) -> Result<()> {
    let freezers: Vec<String> = dirs.iter().filter(|dir| has_freezer(dir)).cloned().collect();
    let held = !freezers.is_empty() && !processes(&freezers)?.is_empty() && freeze(&freezers).is_ok();
    let before = processes(dirs)?;
    let fds: Vec<_> = before
        .iter()
        .filter_map(|pid| Some((*pid, pidfd_open(Pid::from_raw(*pid)?, PidfdFlags::empty()).ok()?)))
        .collect();
    // whoever is still listed now is the process that the descriptor was opened for, and not one with its old number
    let now = processes(dirs)?;
    for (_, fd) in fds.iter().filter(|(pid, _)| now.contains(pid)) {
        match pidfd_send_signal(fd, Signal::KILL) {
            Err(Errno::SRCH) => {}
            other => other.attempt(|| "kill a process of the group".into())?,
        }
    }
    if held || freezers.iter().any(|dir| is_frozen(dir)) { thaw(&freezers) } else { Ok(()) }
}

fn is_frozen(dir: &str) -> bool {
    let text = |file: &str| read(&format!("{dir}/{file}")).ok().flatten().unwrap_or_default();
    matches!(text("freezer.state").trim(), "FROZEN" | "FREEZING") || text("cgroup.freeze").trim() == "1"
}

/// `cgroup.delete`: kill what still runs, and remove the folders, children first. None there is fine.
pub fn delete(dirs: &[String]) -> Result<()> {
    let there: Vec<String> = dirs.iter().filter(|dir| exists(dir)).cloned().collect();
    if !processes(&there)?.is_empty() {
        kill(&there)?;
    }
    for dir in &there {
        let mut busy = None;
        let gone = wait_until(|| match remove(dir) {
            Ok(()) => Ok(true),
            Err(error) if error.is(Errno::BUSY) => {
                busy = Some(error);
                Ok(false)
            }
            Err(error) => Err(error),
        })?;
        if let (false, Some(error)) = (gone, busy) {
            return Err(error);
        }
    }
    Ok(())
}

fn remove(dir: &str) -> Result<()> {
    for folder in tree(dir)?.iter().rev() {
        match rmdir(folder.as_str()) {
            Err(Errno::NOENT) => {}
            other => other.attempt(|| format!("remove the control group {folder}"))?,
        }
    }
    Ok(())
}

/// The folder and all below it, parents first.
fn tree(dir: &str) -> Result<Vec<String>> {
    let mut folders = vec![dir.to_owned()];
    let mut next = 0;
    while next < folders.len() {
        let here = folders[next].clone();
        next += 1;
        let fd = match open(here.as_str(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT | Errno::NODEV) => continue,
            other => other.attempt(|| format!("list {here}"))?,
        };
        for entry in Dir::new(fd).attempt(|| format!("list {here}"))? {
            let Ok(entry) = entry else { break }; // the group is being removed
            let name = entry.file_name().to_string_lossy();
            if entry.file_type() == rustix::fs::FileType::Directory && name != "." && name != ".." {
                folders.push(format!("{here}/{name}"));
            }
        }
    }
    Ok(folders)
}
