//! Stopping every process of a group where it stands, and letting it go on.

use super::{exists, is_v2, read, wait_until, write};
use crate::error::{Error, Result};

/// `cgroup.freeze`: freeze, and wait until all is frozen.
pub fn freeze(dirs: &[String]) -> Result<()> {
    set(dirs, true)
}

/// `cgroup.thaw`: let it go on.
pub fn thaw(dirs: &[String]) -> Result<()> {
    set(dirs, false)
}

fn set(dirs: &[String], frozen: bool) -> Result<()> {
    let freezers: Vec<&String> = dirs.iter().filter(|dir| has_freezer(dir)).collect();
    if freezers.is_empty() {
        return Err(Error::plain(format!("no freezer in {}", dirs.join(", "))));
    }
    freezers.into_iter().try_for_each(|dir| if is_v2(dir) { set_v2(dir, frozen) } else { set_v1(dir, frozen) })
}

pub(super) fn has_freezer(dir: &str) -> bool {
    exists(&format!("{dir}/cgroup.freeze")) || exists(&format!("{dir}/freezer.state"))
}

fn set_v2(dir: &str, frozen: bool) -> Result<()> {
    write(&format!("{dir}/cgroup.freeze"), if frozen { "1" } else { "0" })?;
    let line = format!("frozen {}", u8::from(frozen));
    let done = || Ok(read(&format!("{dir}/cgroup.events"))?.is_none_or(|text| text.lines().any(|seen| seen == line)));
    finished(dir, frozen, wait_until(done)?)
}

fn set_v1(dir: &str, frozen: bool) -> Result<()> {
    let file = format!("{dir}/freezer.state");
    let wanted = if frozen { "FROZEN" } else { "THAWED" };
    // a task that was just forked can escape the first try, so it is asked for again (kernel freezer-subsystem)
    let done = || {
        write(&file, wanted)?;
        Ok(read(&file)?.is_none_or(|text| text.trim() == wanted))
    };
    finished(dir, frozen, wait_until(done)?)
}

fn finished(dir: &str, frozen: bool, done: bool) -> Result<()> {
    if done {
        return Ok(());
    }
    if frozen {
        // half-frozen is worse than running
        let _ = set(&[dir.to_owned()], false);
    }
    Err(Error::plain(format!("{dir} did not {} in time", if frozen { "freeze" } else { "thaw" })))
}
