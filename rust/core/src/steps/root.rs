//! Paths inside a container's root, resolved so that no link of the image leads out of it.
//!
//! What exists is found by openat2(2) with RESOLVE_IN_ROOT: the kernel takes `/` and `..` for the root, and refuses
//! the magic links of proc(5). What is missing is made by a walk of our own: one component at a time, from a held
//! descriptor to the next, never following a link but reading it. Whoever gets a descriptor from here mounts through
//! it, and not through the path, which an attacker may have changed meanwhile (CVE-2021-30465).

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::error::{Attempt, Error, Result};

/// What a missing target becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder, mode 0755.
    Folder,
    /// An empty file, mode 0644.
    File,
}

const MOST_LINKS: usize = 40; // as the kernel: path_resolution(7)
const MOST_TRIES: usize = 64; // openat2(2): EAGAIN while somebody renames folders

/// Open the folder `path` of the host as a root.
pub fn open(path: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("open the root {path}"))
}

/// Find `path` in `root`, links resolved inside.
pub fn find(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
    find_with(root, path, flags, ResolveFlags::empty())
}

/// Find `path` in `root`; a symbolic link anywhere in it is an error, ELOOP.
pub fn find_without_links(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
    find_with(root, path, flags, ResolveFlags::NO_SYMLINKS)
}

fn find_with(
    root: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    more: ResolveFlags,
) -> std::result::Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
    let path = if path.is_empty() { "/" } else { path };
    for _ in 0..MOST_TRIES {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Find `path` in `root`, and make what is missing of it, the last part as `kind`.
pub fn make(root: BorrowedFd<'_>, path: &str, kind: Kind) -> Result<OwnedFd> {
    match find(root, path, OFlags::PATH) {
        Err(Errno::NOENT) => Walk::new(root, path).run(kind).attempt(|| format!("make {path} inside the root")),
        other => other.attempt(|| format!("find {path} inside the root")),
    }
}

/// As [`make`], but a symbolic link anywhere in the path is an error.
///
/// For the mounts that the container's safety rests on: a `/proc` that is a link is no accident.
pub fn make_without_links(root: BorrowedFd<'_>, path: &str, kind: Kind) -> Result<OwnedFd> {
    match find_without_links(root, path, OFlags::PATH) {
        Err(Errno::NOENT) => {
            Walk::new(root, path).without_links().run(kind).attempt(|| format!("make {path} inside the root"))
        }
        Err(Errno::LOOP) => Err(Error::system(Errno::LOOP, format!("{path} has a symbolic link in the root"))),
        other => other.attempt(|| format!("find {path} inside the root")),
    }
}

/// Split `path` into its folder and its last name.
pub fn split(path: &str) -> Result<(&str, &str)> {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((folder, name)) if !matches!(name, "" | "." | "..") => Ok((folder, name)),
        _ => Err(Error::plain(format!("{path:?} names no file"))),
    }
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    left: VecDeque<String>,
    held: Vec<OwnedFd>, // the folders from below the root to where we are
    links_left: usize,
}

impl<'a> Walk<'a> {
    fn new(root: BorrowedFd<'a>, path: &str) -> Self {
        Self { root, left: path.split('/').map(str::to_owned).collect(), held: Vec::new(), links_left: MOST_LINKS }
    }

    fn without_links(mut self) -> Self {
        self.links_left = 0;
        self
    }

    fn run(mut self, kind: Kind) -> std::result::Result<OwnedFd, Errno> {
        while let Some(name) = self.left.pop_front() {
            match name.as_str() {
                "" | "." => {}
                ".." => drop(self.held.pop()),
                _ => {
                    let last = self.left.iter().all(|rest| rest.is_empty() || rest == ".");
                    let missing = if last { kind } else { Kind::Folder };
                    let found = self.enter(&name, missing)?;
                    match FileType::from_raw_mode(fstat(&found)?.st_mode) {
                        FileType::Symlink => self.follow(&found)?,
                        FileType::Directory => self.held.push(found),
                        _ if last => return Ok(found),
                        _ => return Err(Errno::NOTDIR),
                    }
                }
            }
        }
        match self.held.pop() {
            Some(folder) => Ok(folder),
            None => Ok(self.root.try_clone_to_owned().map_err(|_| Errno::MFILE)?),
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.held.last().map_or(self.root, AsFd::as_fd)
    }

    /// Open `name` where we are, and make it before if it is missing.
    fn enter(&self, name: &str, missing: Kind) -> std::result::Result<OwnedFd, Errno> {
        let open = || openat(self.here(), name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        match open() {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let made = match missing {
            Kind::Folder => mkdirat(self.here(), name, Mode::from_raw_mode(0o755)),
            Kind::File => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                openat(self.here(), name, flags, Mode::from_raw_mode(0o644)).map(drop)
            }
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => open(),
            Err(errno) => Err(errno),
        }
    }

    fn follow(&mut self, link: &OwnedFd) -> std::result::Result<(), Errno> {
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::LOOP)?;
        let target = readlinkat(link, "", Vec::new())?;
        let target = target.to_str().map_err(|_| Errno::ILSEQ)?;
        if target.starts_with('/') {
            self.held.clear();
        }
        for part in target.split('/').rev() {
            self.left.push_front(part.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("minidock-root-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("root")).unwrap();
            Self(path)
        }
        fn root(&self) -> OwnedFd {
            open(self.0.join("root").to_str().unwrap()).unwrap()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_missing_is_made_inside() {
        let tree = Tree::new("missing");
        make(tree.root().as_fd(), "/a/b/file", Kind::File).unwrap();
        make(tree.root().as_fd(), "/a/c/", Kind::Folder).unwrap();
        assert!(tree.0.join("root/a/b/file").is_file());
        assert!(tree.0.join("root/a/c").is_dir());
    }

    #[test]
    fn links_lead_to_places_inside() {
        let tree = Tree::new("links");
        symlink("../../../../outside", tree.0.join("root/up")).unwrap();
        symlink("/absolute", tree.0.join("root/abs")).unwrap();
        make(tree.root().as_fd(), "/up/x", Kind::Folder).unwrap();
        make(tree.root().as_fd(), "/abs", Kind::File).unwrap();
        assert!(tree.0.join("root/outside/x").is_dir());
        assert!(tree.0.join("root/absolute").is_file());
        assert!(!tree.0.join("outside").exists());
    }

    #[test]
    fn a_link_is_refused_where_links_are_no_accident() {
        let tree = Tree::new("strict");
        symlink("/elsewhere", tree.0.join("root/proc")).unwrap();
        fs::create_dir(tree.0.join("root/elsewhere")).unwrap();
        let error = make_without_links(tree.root().as_fd(), "/proc", Kind::Folder).unwrap_err();
        assert!(error.is(Errno::LOOP));
        symlink("/nowhere", tree.0.join("root/sys")).unwrap();
        let error = make_without_links(tree.root().as_fd(), "/sys", Kind::Folder).unwrap_err();
        assert!(error.is(Errno::LOOP));
    }

    #[test]
    fn a_loop_of_links_ends() {
        let tree = Tree::new("loop");
        symlink("b", tree.0.join("root/a")).unwrap();
        symlink("a", tree.0.join("root/b")).unwrap();
        assert!(make(tree.root().as_fd(), "/a/x", Kind::Folder).unwrap_err().is(Errno::LOOP));
    }

    #[test]
    fn a_file_is_no_folder() {
        let tree = Tree::new("file");
        fs::write(tree.0.join("root/file"), "").unwrap();
        assert!(make(tree.root().as_fd(), "/file/x", Kind::Folder).unwrap_err().is(Errno::NOTDIR));
    }
}
