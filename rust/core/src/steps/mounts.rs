//! The mounts of a container, from its root to its masked files.
//!
//! ```text
//! mount.overlay / mount.bind   the root itself, at a path of the host that the engine owns
//! mount.fs, mount.bind (root)  below it; the target is found inside the root, and mounted on through a descriptor
//! root.pivot                   the root becomes /, the host's tree goes away
//! mount.readonly, mount.mask   over files that show or change the kernel's state
//! ```
//!
//! A mount that others rely on is looked at again after it was made, through a descriptor: what is there must be what
//! was meant (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags, fstat, fstatfs, statx};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, move_mount, unmount};

use super::filesystem::{HOST_PATH, attach, change, copy_mount, new_mount};
use super::options::{self, Options};
use super::root::{self, Kind};
use super::{BindArgs, FsArgs, PropagationArgs};
use crate::error::{Attempt, Error, Result};
use crate::sys::mount::{Attributes, mount_setattr};

/// Say how mounts spread from `target` and all below it.
pub fn propagation(args: &PropagationArgs) -> Result<()> {
    let (propagation, recursive) = options::propagation(&args.mode)
        .ok_or_else(|| Error::plain(format!("no such propagation: {:?}", args.mode)))?;
    let target = cstring(&args.target)?;
    mount_setattr(CWD, &target, Attributes { propagation, ..Attributes::default() }, recursive)
        .attempt(|| format!("make {} {}", args.target, args.mode))
}

/// `mount.bind`: a file or folder of the host appears at a second place.
pub fn bind(args: &BindArgs) -> Result<()> {
    let options = Options::parse_bind(&args.options)?;
    let source = rustix::fs::open(args.source.as_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("find {}", args.source))?;
    let mount = copy_mount(source.as_fd(), "", options.recursive).attempt(|| format!("bind {}", args.source))?;
    change(mount.as_fd(), &options)?;
    let Some(root) = &args.root else {
        return move_mount(&mount, "", CWD, args.target.as_str(), HOST_PATH)
            .attempt(|| format!("attach {} at {}", args.source, args.target));
    };
    let kind = match FileType::from_raw_mode(fstat(&source).attempt(|| format!("look at {}", args.source))?.st_mode) {
        FileType::Directory => Kind::Folder,
        _ => Kind::File,
    };
    let target = target(root::open(root)?.as_fd(), &args.target, kind)?;
    attach(mount.as_fd(), target.as_fd()).attempt(|| format!("attach {} at {}", args.source, args.target))
}

/// `mount.fs`: a file system that the kernel makes up appears in the container's tree.
pub fn filesystem(args: &FsArgs) -> Result<()> {
    let root = args.root.as_deref().unwrap_or("/");
    let root = root::open(root)?;
    if args.options.iter().any(|option| option == "remount") {
        return remount(root.as_fd(), args);
    }
    let target = target(root.as_fd(), &args.target, Kind::Folder)?;
    let options = Options::parse(&args.options)?;
    let mount = new_mount(&args.kind, &args.source, &options)?;
    change(mount.as_fd(), &Options { propagation: options.propagation, ..Options::default() })?;
    attach(mount.as_fd(), target.as_fd()).attempt(|| format!("attach {} at {}", args.kind, args.target))?;
    check_covered(root.as_fd(), &args.target, mount.as_fd())
}

/// `mount.fs` with `remount`: the attributes of a mount that is there change.
fn remount(root: BorrowedFd<'_>, args: &FsArgs) -> Result<()> {
    let words: Vec<&String> = args.options.iter().filter(|option| *option != "remount").collect();
    let options = Options::parse_bind(&words)?;
    let mount =
        root::find_without_links(root, &args.target, OFlags::PATH).attempt(|| format!("find {}", args.target))?;
    change(mount.as_fd(), &options)
        .map_err(|error| Error { detail: format!("{} of {}", error.detail, args.target), ..error })
}

/// Find or make the target of a mount. Where the container's safety rests on the place, links are refused.
fn target(root: BorrowedFd<'_>, path: &str, kind: Kind) -> Result<OwnedFd> {
    let first = path.split('/').find(|part| !part.is_empty()).unwrap_or("");
    if matches!(first, "proc" | "sys" | "dev") {
        root::make_without_links(root, path, kind)
    } else {
        let found = root::make(root, path, kind)?;
        refuse_kernels_own(found.as_fd(), path)?;
        Ok(found)
    }
}

/// An image may hold a link to /proc or /sys in the place where a volume is to be mounted: it would cover the kernel's
/// files with a stranger's (CVE-2019-19921, CVE-2023-27561).
fn refuse_kernels_own(target: BorrowedFd<'_>, path: &str) -> Result<()> {
    let kind = fstatfs(target).attempt(|| format!("look at {path}"))?.f_type;
    if matches!(kind, libc::PROC_SUPER_MAGIC | libc::SYSFS_MAGIC) {
        return Err(Error::plain(format!("{path} leads into the kernel's /proc or /sys")));
    }
    Ok(())
}

/// Look again: at `path` there must now be `mount`.
fn check_covered(root: BorrowedFd<'_>, path: &str, mount: BorrowedFd<'_>) -> Result<()> {
    let seen = root::find(root, path, OFlags::PATH).attempt(|| format!("look again at {path}"))?;
    if mount_id(seen.as_fd())? == mount_id(mount)? {
        return Ok(());
    }
    Err(Error::plain(format!("{path} was changed while it was being mounted on")))
}

fn mount_id(file: BorrowedFd<'_>) -> Result<u64> {
    let seen = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).attempt(|| "ask for the mount's id".into())?;
    Ok(seen.stx_mnt_id)
}

/// `root.pivot`: the folder `root` becomes `/`; the old root is let go.
pub fn pivot(root: &str) -> Result<()> {
    let folder = root::open(root)?;
    rustix::process::fchdir(&folder).attempt(|| format!("enter {root}"))?;
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked over the new one, at the same place
    rustix::process::pivot_root(".", ".").attempt(|| format!("pivot_root to {root}"))?;
    let slave = Attributes { propagation: libc::MS_SLAVE, ..Attributes::default() };
    mount_setattr(CWD, c".", slave, true).attempt(|| "cut the old root off from the host".into())?;
    unmount(".", UnmountFlags::DETACH).attempt(|| "unmount the old root".into())?;
    rustix::process::chdir("/").attempt(|| "enter the new root".into())
}

/// `root.readonly`: the root takes no more changes; mounts below it are as they are.
pub fn root_readonly() -> Result<()> {
    let readonly = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
    mount_setattr(CWD, c"/", readonly, false).attempt(|| "make / read-only".into())
}

/// `mount.readonly`: these paths can be read, not changed. What does not exist is skipped.
pub fn readonly(paths: &[String]) -> Result<()> {
    let root = root::open("/")?;
    for path in paths {
        let Some(file) = find_if_there(root.as_fd(), path)? else { continue };
        let mount = copy_mount(file.as_fd(), "", true).attempt(|| format!("bind {path} on itself"))?;
        let readonly = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
        mount_setattr(mount.as_fd(), c"", readonly, false).attempt(|| format!("make {path} read-only"))?;
        attach(mount.as_fd(), file.as_fd()).attempt(|| format!("cover {path}"))?;
        check_covered(root.as_fd(), path, mount.as_fd())?;
    }
    Ok(())
}

/// `mount.mask`: these paths are covered, folders by an empty one, files by /dev/null. What does not exist is skipped.
pub fn mask(paths: &[String]) -> Result<()> {
    let root = root::open("/")?;
    let mut covers = Covers::default();
    for path in paths {
        let Some(file) = find_if_there(root.as_fd(), path)? else { continue };
        let stat = fstat(&file).attempt(|| format!("look at {path}"))?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let mount = if is_folder { covers.folder() } else { covers.file(root.as_fd()) }?;
        attach(mount.as_fd(), file.as_fd()).attempt(|| format!("cover {path}"))?;
        check_covered(root.as_fd(), path, mount.as_fd())?;
        if is_folder {
            covers.empty.get_or_insert(mount);
        } else {
            check_null(
                root::find(root.as_fd(), path, OFlags::PATH).attempt(|| format!("look again at {path}"))?.as_fd(),
            )?;
        }
    }
    Ok(())
}

/// What paths are covered with: one empty, read-only file system for all folders, and the null device.
#[derive(Default)]
struct Covers {
    empty: Option<OwnedFd>,
    null: Option<OwnedFd>,
}

impl Covers {
    /// Only an attached mount can be copied on every kernel, so the first cover is the one that others are copied from.
    fn folder(&self) -> Result<OwnedFd> {
        match &self.empty {
            Some(first) => copy_mount(first.as_fd(), "", false).attempt(|| "copy an empty folder".into()),
            None => {
                let words = ["ro", "nosuid", "nodev", "noexec", "nr_inodes=1", "mode=755"];
                new_mount("tmpfs", "tmpfs", &Options::parse(&words)?)
            }
        }
    }

    fn file(&mut self, root: BorrowedFd<'_>) -> Result<OwnedFd> {
        let null = match self.null.take() {
            Some(null) => null,
            None => null_device(root)?,
        };
        let mount = copy_mount(null.as_fd(), "", false).attempt(|| "copy the null device".into());
        self.null = Some(null);
        mount
    }
}

/// The container's own /dev/null. It must be the real one: a link or another device in its place would be mounted over
/// the kernel's files instead.
fn null_device(root: BorrowedFd<'_>) -> Result<OwnedFd> {
    let null = root::find_without_links(root, "/dev/null", OFlags::PATH).attempt(|| "find /dev/null".into())?;
    check_null(null.as_fd())?;
    Ok(null)
}

fn check_null(file: BorrowedFd<'_>) -> Result<()> {
    let stat = fstat(file).attempt(|| "look at /dev/null".into())?;
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (1, 3);
    if is_null { Ok(()) } else { Err(Error::plain("/dev/null is not the null device")) }
}

fn find_if_there(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>> {
    let file = match root::find(root, path, OFlags::PATH) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        other => other.attempt(|| format!("find {path}"))?,
    };
    if path.starts_with("/proc/") {
        let kind = fstatfs(&file).attempt(|| format!("look at {path}"))?.f_type;
        if kind != libc::PROC_SUPER_MAGIC && kind != libc::TMPFS_MAGIC {
            return Err(Error::plain(format!("{path} is not in the kernel's /proc")));
        }
    }
    Ok(Some(file))
}

pub(super) fn cstring(text: &str) -> Result<std::ffi::CString> {
    std::ffi::CString::new(text).map_err(|_| Error::plain(format!("{text:?} holds a zero byte")))
}
