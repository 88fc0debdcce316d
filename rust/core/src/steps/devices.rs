//! `/dev` of a container: device nodes, the links beside them, and the terminal as `/dev/console`.
//!
//! No part of a path below `/dev` may be a symbolic link, and what a node or a bind mount became is looked at again
//! through a descriptor: an image that puts a link in its place must not get something of the host (CVE-2025-52565).

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, fstatfs, major, makedev, minor, mknodat, readlinkat,
    symlinkat,
};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};

use super::filesystem::{attach, copy_mount};
use super::root::{self, Kind};
use super::{Device, DevicesArgs};
use crate::error::{Attempt, Error, Result};

const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// `dev.create`: make each node, or bind the host's.
pub fn create(args: &DevicesArgs) -> Result<()> {
    let root = root::open(&args.root)?;
    for device in &args.devices {
        if args.bind { bind(root.as_fd(), device)? } else { make(root.as_fd(), device)? }
    }
    Ok(())
}

fn make(root: BorrowedFd<'_>, device: &Device) -> Result<()> {
    let (folder, name) = root::split(&device.path)?;
    let folder = root::make_without_links(root, folder, Kind::Folder)?;
    let kind = file_type(&device.kind)?;
    let mode = Mode::from_raw_mode(device.mode);
    match mknodat(&folder, name, kind, mode, makedev(device.major, device.minor)) {
        Err(Errno::EXIST) => {}
        other => {
            other.attempt(|| format!("make the node {}", device.path))?;
            let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
            chownat(&folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .attempt(|| format!("give {} its owner", device.path))?;
        }
    }
    check(root, device)
}

fn bind(root: BorrowedFd<'_>, device: &Device) -> Result<()> {
    let source =
        rustix::fs::open(device.path.as_str(), OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("find the host's {}", device.path))?;
    let mount = copy_mount(source.as_fd(), "", false).attempt(|| format!("bind {}", device.path))?;
    let target = root::make_without_links(root, &device.path, Kind::File)?;
    attach(mount.as_fd(), target.as_fd()).attempt(|| format!("attach {}", device.path))?;
    check(root, device)
}

/// Look again: at the path there must be this device.
fn check(root: BorrowedFd<'_>, device: &Device) -> Result<()> {
    let node = root::find_without_links(root, &device.path, OFlags::PATH)
        .attempt(|| format!("look again at {}", device.path))?;
    let stat = fstat(&node).attempt(|| format!("look again at {}", device.path))?;
    let kind = file_type(&device.kind)?;
    let numbers = (major(stat.st_rdev), minor(stat.st_rdev));
    let same = FileType::from_raw_mode(stat.st_mode) == kind
        && (kind == FileType::Fifo || numbers == (device.major, device.minor));
    if same {
        return Ok(());
    }
    Err(Error::plain(format!("{} is not the device {}:{}", device.path, device.major, device.minor)))
}

fn file_type(kind: &str) -> Result<FileType> {
    match kind {
        "c" | "u" => Ok(FileType::CharacterDevice),
        "b" => Ok(FileType::BlockDevice),
        "p" => Ok(FileType::Fifo),
        other => Err(Error::plain(format!("no such type of device: {other:?}"))),
    }
}

/// `dev.links`: symbolic links, by path and target.
pub fn links(root: &str, links: &BTreeMap<String, String>) -> Result<()> {
    let root = root::open(root)?;
    for (path, target) in links {
        let (folder, name) = root::split(path)?;
        let folder = root::make_without_links(root.as_fd(), folder, Kind::Folder)?;
        match symlinkat(target.as_str(), &folder, name) {
            Err(Errno::EXIST) if leads_to(&folder, name, target) => {}
            other => other.attempt(|| format!("link {path} to {target}"))?,
        }
    }
    Ok(())
}

fn leads_to(folder: &OwnedFd, name: &str, target: &str) -> bool {
    readlinkat(folder, name, Vec::new()).is_ok_and(|seen| seen.as_bytes() == target.as_bytes())
}

/// Open a new terminal of the container's own devpts: its master and its slave side.
pub fn open_terminal(root: &str) -> Result<(OwnedFd, OwnedFd)> {
    let root = root::open(root)?;
    let master = root::find_without_links(root.as_fd(), "/dev/pts/ptmx", OFlags::RDWR | OFlags::NOCTTY)
        .attempt(|| "open /dev/pts/ptmx; a terminal needs a mount of type devpts there".into())?;
    let stat = fstat(&master).attempt(|| "look at /dev/pts/ptmx".into())?;
    let kind = fstatfs(&master).attempt(|| "look at /dev/pts".into())?.f_type;
    if kind != DEVPTS_SUPER_MAGIC || (major(stat.st_rdev), minor(stat.st_rdev)) != (5, 2) {
        return Err(Error::plain("/dev/pts/ptmx is not the multiplexer of a devpts"));
    }
    unlockpt(&master).attempt(|| "unlock the terminal".into())?;
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
        .attempt(|| "open the terminal's other side".into())?;
    Ok((master, slave))
}

/// `dev.console`: the terminal appears as `/dev/console`.
pub fn bind_console(root: &str, slave: BorrowedFd<'_>) -> Result<()> {
    let root = root::open(root)?;
    let mount = copy_mount(slave, "", false).attempt(|| "bind the terminal".into())?;
    let target = root::make_without_links(root.as_fd(), "/dev/console", Kind::File)?;
    attach(mount.as_fd(), target.as_fd()).attempt(|| "attach /dev/console".into())?;
    let seen = root::find_without_links(root.as_fd(), "/dev/console", OFlags::PATH)
        .and_then(fstat)
        .attempt(|| "look again at /dev/console".into())?;
    let meant = fstat(slave).attempt(|| "look at the terminal".into())?;
    if (seen.st_dev, seen.st_ino) == (meant.st_dev, meant.st_ino) {
        return Ok(());
    }
    Err(Error::plain("/dev/console was changed while it was being mounted on"))
}
