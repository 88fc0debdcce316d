//! Control groups by their folders: one per container on v2, one per controller on v1 (cgroups(7)).
//!
//! The kernel's two interfaces differ in how a group is frozen, killed and prepared; which one a folder belongs to is
//! asked of its file system, so a caller only names folders. Nothing here waits for an event that may never come: each
//! wait has an end, and the error says what was waited for.
//!
//! ```text
//!                 v1                                        v2
//! create          mkdir; a new cpuset gets its parent's     controllers switched on from the top down; mkdir
//! freeze, thaw    freezer.state                             cgroup.freeze, cgroup.events
//! kill            freeze, a signal for each, thaw           cgroup.kill (Linux 5.14), else as on v1
//! delete          kill, wait until empty, rmdir             the same
//! out of memory   memory.oom_control                        memory.events
//! ```

mod create;
mod end;
mod freeze;

pub use create::create;
pub use end::{delete, kill, processes};
pub use freeze::{freeze, thaw};

use rustix::fs::{Mode, OFlags, open, statfs};
use rustix::io::Errno;

use crate::error::{Attempt, Result};

/// The longest wait, in milliseconds.
const PATIENCE: u64 = 10_000;

/// `cgroup.limit`: write `value` into `file`.
pub fn limit(file: &str, value: &str) -> Result<()> {
    write(file, value)
}

/// The text of `file`; `None` if the kernel does not have it.
pub fn read(file: &str) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_missing(error.raw_os_error()) => Ok(None),
        Err(error) => Err(error).attempt(|| format!("read {file}")),
    }
}

/// How often the kernel killed a process of these groups because their memory ran out.
pub fn out_of_memory_kills(dirs: &[String]) -> u64 {
    let count = |file: String| {
        let text = read(&file).ok().flatten()?;
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|number| number.trim().parse::<u64>().ok())
    };
    let files = dirs.iter().flat_map(|dir| [format!("{dir}/memory.events"), format!("{dir}/memory.oom_control")]);
    files.filter_map(count).sum()
}

fn is_missing(errno: Option<i32>) -> bool {
    // a group that is being removed answers ENODEV
    [Errno::NOENT, Errno::NOTDIR, Errno::NODEV].iter().any(|known| errno == Some(known.raw_os_error()))
}

fn is_v2(dir: &str) -> bool {
    statfs(dir).is_ok_and(|seen| seen.f_type == libc::CGROUP2_SUPER_MAGIC)
}

fn exists(path: &str) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXISTS).is_ok()
}

fn write(path: &str, value: &str) -> Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).attempt(|| format!("open {path}"))?;
    rustix::io::write(&file, value.as_bytes()).attempt(|| format!("write {value:?} to {path}"))?;
    Ok(())
}

/// Ask `done` again and again, in growing pauses, until it says yes or patience ends.
fn wait_until(mut done: impl FnMut() -> Result<bool>) -> Result<bool> {
    let (mut waited, mut pause) = (0, 100);
    while !done()? {
        if waited >= PATIENCE * 1000 {
            return Ok(false);
        }
        std::thread::sleep(std::time::Duration::from_micros(pause));
        waited += pause;
        pause = (pause * 2).min(20_000);
    }
    Ok(true)
}
