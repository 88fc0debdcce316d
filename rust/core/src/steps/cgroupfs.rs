//! A mount of type `cgroup`: the container sees its own control groups (runtime-spec config-linux.md).
//!
//! On v2 that is one file system. On v1 it is a small tmpfs with one mount per tree, named after the controllers, and
//! a link for each controller that shares its tree (`cpu -> cpu,cpuacct`). In a cgroup namespace the mount shows the
//! container's own group as its root; without one, the container's group is bound instead.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use super::FsArgs;
use super::filesystem::{attach, change, copy_mount, new_mount};
use super::options::Options;
use super::root;
use crate::error::{Attempt, Error, Result};
use crate::sys::mount::{Attributes, mount_setattr};

/// Where hosts mount their control groups.
const HOST: &str = "/sys/fs/cgroup";

/// Mount the control groups of this process on the folder `target`.
pub fn mount(target: BorrowedFd<'_>, root: BorrowedFd<'_>, args: &FsArgs) -> Result<()> {
    let options = Options::parse(&args.options)?;
    if let Some((name, _)) = options.data.first() {
        return Err(Error::plain(format!("option {name:?} has no meaning for a cgroup mount")));
    }
    let kind = rustix::fs::statfs(HOST).attempt(|| format!("look at {HOST}"))?.f_type;
    if kind == libc::CGROUP2_SUPER_MAGIC { mount_v2(target, &options) } else { mount_v1(target, root, args, &options) }
}

fn mount_v2(target: BorrowedFd<'_>, options: &Options) -> Result<()> {
    let mount = match new_mount("cgroup2", "cgroup", options) {
        // a user namespace may not mount it without a cgroup namespace of its own
        Err(error) if error.is(Errno::PERM) => bound(&format!("{HOST}{}", own_group()?), options)?,
        other => other?,
    };
    attach(mount.as_fd(), target).attempt(|| "attach cgroup2".into())
}

fn mount_v1(target: BorrowedFd<'_>, root: BorrowedFd<'_>, args: &FsArgs, options: &Options) -> Result<()> {
    let writable = Options {
        own: Attributes { set: options.own.set & !libc::MOUNT_ATTR_RDONLY, ..options.own },
        ..Options::default()
    };
    let mut tmpfs = Options { own: writable.own, ..Options::default() };
    tmpfs.data.push(("mode".into(), Some("755".into())));
    let tmpfs = new_mount("tmpfs", "tmpfs", &tmpfs)?;
    attach(tmpfs.as_fd(), target).attempt(|| "attach the folder of control groups".into())?;
    let folder = root::find(root, &args.target, OFlags::PATH).attempt(|| format!("find {}", args.target))?;
    for tree in trees(&read("/proc/self/cgroup")?) {
        mkdirat(&folder, tree.folder, Mode::from_raw_mode(0o755)).attempt(|| format!("make {}", tree.folder))?;
        let place = root::find_without_links(folder.as_fd(), tree.folder, OFlags::PATH)
            .attempt(|| format!("find {}", tree.folder))?;
        let mount = match tree_mount(&tree, options) {
            Err(error) if error.is(Errno::PERM) || error.is(Errno::BUSY) => {
                bound(&format!("{HOST}/{}{}", tree.folder, tree.path), options)?
            }
            other => other?,
        };
        attach(mount.as_fd(), place.as_fd()).attempt(|| format!("attach {}", tree.folder))?;
        if tree.folder.contains(',') {
            for controller in tree.folder.split(',') {
                symlinkat(tree.folder, &folder, controller).attempt(|| format!("link {controller}"))?;
            }
        }
    }
    mount_setattr(tmpfs.as_fd(), c"", options.own, false).attempt(|| "set the folder's attributes".into())
}

fn tree_mount(tree: &Tree<'_>, options: &Options) -> Result<std::os::fd::OwnedFd> {
    let mut with_name = Options { own: options.own, ..Options::default() };
    for word in tree.controllers.split(',') {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned())));
        with_name.data.push((name.to_owned(), value));
        if name == "name" {
            with_name.data.push(("none".into(), None)); // a named tree has no controllers
        }
    }
    new_mount("cgroup", "cgroup", &with_name)
}

fn bound(path: &str, options: &Options) -> Result<std::os::fd::OwnedFd> {
    let source = openat(rustix::fs::CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("find the container's control group {path}"))?;
    let mount = copy_mount(source.as_fd(), "", false).attempt(|| format!("bind {path}"))?;
    change(mount.as_fd(), &Options { own: options.own, ..Options::default() })?;
    Ok(mount)
}

fn own_group() -> Result<String> {
    read("/proc/self/cgroup")?
        .lines()
        .find_map(|line| line.strip_prefix("0::").map(str::to_owned))
        .ok_or_else(|| Error::plain("this process is in no v2 control group"))
}

/// One v1 tree: its controllers as /proc/self/cgroup names them, the folder it gets, our path in it.
struct Tree<'a> {
    controllers: &'a str,
    folder: &'a str,
    path: &'a str,
}

fn trees(text: &str) -> impl Iterator<Item = Tree<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let folder = controllers.strip_prefix("name=").unwrap_or(controllers);
        (!controllers.is_empty()).then_some(Tree { controllers, folder, path })
    })
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path).attempt(|| format!("read {path}"))
}
