//! How an engine starts a monitor: from a copy of the program that nobody can write to.
//!
//! A process that is about to become a container's program is still *our* program, and `/proc/self/exe` leads to its
//! file. From the file on the disk, a container that runs as root could overwrite what the next container is started
//! by (CVE-2019-5736). So it runs from a read-only mount of that one file, which is attached nowhere; all monitors share
//! its pages. Where such a mount is not allowed, it runs from a sealed copy in memory (memfd_create(2)).

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{WaitOptions, waitpid};

use crate::error::{Attempt, Error, Result};
use crate::steps::filesystem::copy_mount;
use crate::sys;
use crate::sys::exec::CStringList;
use crate::sys::mount::{Attributes, mount_setattr};

/// What of our environment a monitor gets: where it finds `nft` and other runtimes, and when to die in a crash test.
const ENVIRONMENT: [&str; 2] = ["PATH", "MINIDOCK_MONITOR_DIE_AT"];

/// Programs that were made safe before, by path. One process starts monitors from one path only.
static SAFE: Mutex<Vec<(String, OwnedFd)>> = Mutex::new(Vec::new());

/// Start a monitor from `program`, and return our end of its control socket. It is no child of ours when this returns.
pub fn monitor(program: &str) -> Result<OwnedFd> {
    let path = safe_path(program)?;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .attempt(|| "make the control socket".into())?;
    let number = theirs.as_raw_fd(); // it keeps its number: any other could be taken by something the exec needs
    let words = ["minidock-runtime", "monitor", "--control", &number.to_string()];
    let environment: Vec<String> =
        ENVIRONMENT.iter().filter_map(|name| std::env::var(name).ok().map(|value| format!("{name}={value}"))).collect();
    let zero = || Error::plain("an argument holds a zero byte");
    let (argv, env) = (CStringList::new(&words).ok_or_else(zero)?, CStringList::new(&environment).ok_or_else(zero)?);
    let path = CString::new(path).map_err(|_| zero())?;
    let pid = sys::spawn::spawn(&path, &argv, &env, theirs.as_fd(), number).attempt(|| format!("start {program}"))?;
    drop(theirs);
    let status = loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(ours), // whoever ignores SIGCHLD has no children to wait for
            other => break other.attempt(|| "wait for the monitor's first process".into())?,
        }
    };
    match status.map(|(_, status)| status.exit_status()) {
        Some(Some(0)) => Ok(ours),
        _ => Err(Error::plain("the monitor ended before it was one")),
    }
}

/// Return a path to the program that is good for exec and for nothing else.
fn safe_path(program: &str) -> Result<String> {
    let mut safe = SAFE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, fd)) = safe.iter().find(|(path, _)| path == program) {
        return Ok(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    }
    let fd = match read_only_mount(program) {
        Err(error) if error.is(Errno::PERM) || error.is(Errno::INVAL) || error.is(Errno::NOSYS) => {
            sealed_copy(program)?
        }
        other => other?,
    };
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    safe.push((program.to_owned(), fd));
    Ok(path)
}

fn read_only_mount(program: &str) -> Result<OwnedFd> {
    let mount = copy_mount(CWD, program, false).attempt(|| format!("make a mount of {program}"))?;
    let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    mount_setattr(mount.as_fd(), c"", Attributes { set, ..Attributes::default() }, false)
        .attempt(|| format!("make a mount of {program} read-only"))?;
    Ok(mount)
}

fn sealed_copy(program: &str) -> Result<OwnedFd> {
    let mut bytes = Vec::new();
    let file = rustix::fs::open(program, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("open {program}"))?;
    std::fs::File::from(file).read_to_end(&mut bytes).attempt(|| format!("read {program}"))?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = match memfd_create("minidock-runtime", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create("minidock-runtime", flags), // before Linux 6.3 all can be executed
        other => other,
    };
    let copy = copy.attempt(|| "make a file in memory".into())?;
    let mut left = &bytes[..];
    while !left.is_empty() {
        left = &left[rustix::io::write(&copy, left).attempt(|| "copy the program".into())?..];
    }
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&copy, seals).attempt(|| "seal the copy".into())?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_copy_cannot_be_written_to() {
        let copy = sealed_copy("/proc/self/exe").unwrap();
        assert_eq!(rustix::io::pwrite(&copy, b"x", 0), Err(Errno::PERM));
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let again = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        assert!(again.is_err() || rustix::io::pwrite(again.unwrap(), b"x", 0) == Err(Errno::PERM));
    }

    #[test]
    fn a_read_only_mount_cannot_be_written_to() {
        let program = std::env::temp_dir().join(format!("minidock-program-{}", std::process::id()));
        std::fs::write(&program, "").unwrap();
        let mount = read_only_mount(program.to_str().unwrap());
        std::fs::remove_file(&program).unwrap();
        match mount {
            Err(error) => assert!(error.is(Errno::PERM) || error.is(Errno::INVAL), "{error}"), // not root
            Ok(mount) => {
                let path = format!("/proc/self/fd/{}", mount.as_raw_fd());
                let again = rustix::fs::open(path.as_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
                assert_eq!(again.unwrap_err(), Errno::ROFS);
            }
        }
    }
}
