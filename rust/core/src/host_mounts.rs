//! The port `Mounts`: mounts and pinned namespaces of the host side, and looking into layers without mounting them.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, XattrFlags, fgetxattr, fstat, mkdir, mkdirat, openat, setxattr, unlinkat,
};
use rustix::io::Errno;

use crate::error::{Attempt, Error, Result};
use crate::steps::filesystem::{attach, copy_mount};
use crate::steps::overlay::Overlay;
use crate::steps::{BindArgs, mounts, root};
use crate::sys::mount::{Attributes, mount_setattr};
use crate::{launch, links, sys};

/// `mount.bind` of the host.
pub fn bind(source: &str, target: &str, options: &[String]) -> Result<()> {
    mounts::bind(&BindArgs {
        source: source.to_owned(),
        target: target.to_owned(),
        options: options.to_vec(),
        root: None,
    })
}

/// `mount.unmount`.
pub fn unmount(target: &str) -> Result<()> {
    launch::host::unmount_all(target)
}

/// `ns.pin`: make a network namespace with its loopback up, and pin it on the new file `path`.
///
/// A network namespace belongs to a thread, so a thread of its own makes it; nobody else notices.
pub fn pin_network(path: &str) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).attempt(|| format!("make {path}"))?;
    let inside = || -> Result<()> {
        sys::namespaces::unshare(libc::CLONE_NEWNET as u64).attempt(|| "make a network namespace".into())?;
        links::up("lo", None)?;
        let own = copy_mount(CWD, "/proc/thread-self/ns/net", false).attempt(|| "copy the namespace's file".into())?;
        attach(own.as_fd(), file.as_fd()).attempt(|| format!("pin the namespace on {path}"))
    };
    let done = std::thread::scope(|scope| scope.spawn(inside).join())
        .unwrap_or_else(|_| Err(Error::plain("the thread that makes the namespace ended badly")));
    if done.is_err() {
        let _ = launch::host::unpin(path); // the first error is the one to tell
    }
    done
}

/// `ns.unpin`.
pub fn unpin_network(path: &str) -> Result<()> {
    launch::host::unpin(path)
}

/// Make a read-only view of the layers `lower`, the topmost first, mounted nowhere.
pub fn view(lower: &[String], options: &[String]) -> Result<OwnedFd> {
    let mount = match lower {
        [] => return Err(Error::plain("a view of no layers")),
        [one] => {
            let folder = root::open(one)?;
            copy_mount(folder.as_fd(), "", false).attempt(|| format!("bind {one}"))?
        }
        _ => Overlay { lower: lower.to_vec(), upper: None, work: None, options: options.to_vec() }.detached()?,
    };
    let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    mount_setattr(mount.as_fd(), c"", Attributes { set, ..Attributes::default() }, false)
        .attempt(|| "make the view read-only".into())?;
    Ok(mount)
}

/// What reading a file gave.
pub enum Contents {
    /// There is no such regular file.
    Missing,
    /// It has more bytes than allowed.
    TooLong,
    /// The bytes.
    Bytes(Vec<u8>),
}

/// Read a regular file in the tree `root`; links are resolved inside.
pub fn read_file(root: BorrowedFd<'_>, path: &str, limit: u64) -> Result<Contents> {
    let Some(seen) = find(root, path, OFlags::PATH)? else { return Ok(Contents::Missing) };
    let stat = fstat(&seen).attempt(|| format!("look at {path}"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Contents::Missing); // a fifo would make us wait, a device could do anything
    }
    let file =
        openat(CWD, format!("/proc/self/fd/{}", seen.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open {path}"))?;
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .attempt(|| format!("read {path}"))?;
    Ok(if bytes.len() as u64 > limit { Contents::TooLong } else { Contents::Bytes(bytes) })
}

/// Open a folder inside the tree `root`, never leaving it; `None` if there is none.
pub fn open_folder(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>> {
    find(root, path, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn find(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<Option<OwnedFd>> {
    match root::find(root, path, flags) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
        other => Ok(Some(other.attempt(|| format!("find {path}"))?)),
    }
}

/// Say which overlay works on the file system of `folder`, by making one and deleting in it.
pub fn probe_overlay(folder: &str) -> Result<&'static str> {
    let scratch = format!("{folder}/.probe-{}", std::process::id());
    let make = || -> Result<&'static str> {
        for name in ["", "/low", "/low/folder", "/upper", "/work"] {
            mkdir(format!("{scratch}{name}"), Mode::from_raw_mode(0o700))
                .attempt(|| format!("make {scratch}{name}"))?;
        }
        let answers = [(&[][..], "overlay", "trusted."), (&["userxattr".to_owned()][..], "userxattr", "user.")];
        for (options, answer, space) in answers {
            if works(&scratch, options, space) == Ok(true) {
                return Ok(answer); // an error is an answer too: this form does not work here
            }
        }
        Ok("none")
    };
    let answer = make();
    let removed = std::fs::remove_dir_all(&scratch).attempt(|| format!("remove {scratch}"));
    answer.and_then(|answer| removed.map(|()| answer))
}

/// A folder that is deleted and made again must hide the one below it: that takes a whiteout and an attribute.
fn works(scratch: &str, options: &[String], space: &str) -> Result<bool> {
    let overlay = Overlay {
        lower: vec![format!("{scratch}/low")],
        upper: Some(format!("{scratch}/upper")),
        work: Some(format!("{scratch}/work")),
        options: options.to_vec(),
    };
    let name = format!("{space}overlay.opaque");
    // can this process keep such an attribute at all?
    setxattr(format!("{scratch}/low"), format!("{space}minidock").as_str(), b"y", XattrFlags::empty())
        .attempt(|| format!("set an attribute in {space}"))?;
    let mount = overlay.detached()?;
    unlinkat(&mount, "folder", rustix::fs::AtFlags::REMOVEDIR).attempt(|| "delete".into())?;
    mkdirat(&mount, "folder", Mode::from_raw_mode(0o700)).attempt(|| "make again".into())?;
    drop(mount);
    let upper = rustix::fs::open(format!("{scratch}/upper/folder"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| "look at the upper folder".into())?;
    let mut value = [0u8; 4];
    Ok(fgetxattr(&upper, name.as_str(), &mut value[..]).is_ok_and(|length| &value[..length] == b"y"))
}
