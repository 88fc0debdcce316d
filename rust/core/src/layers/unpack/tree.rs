//! The folders of the tree, found one component at a time.
//!
//! Each step opens one plain name, relative to a folder that is open already, and refuses links (`O_NOFOLLOW`). A link in
//! the middle of a path is read and walked as if the root were the root of all: an absolute target starts at the root,
//! `..` goes back one step on our own stack and stops at the root. So no name can lead out: the kernel never sees a
//! path, a link or a `..` (path_resolution(7); openat2(2), RESOLVE_IN_ROOT, gives the same result, and makes nothing).
//!
//! Open folders are kept by their real path, a bounded number of them; archives come in order, so most are found there.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self as sys, Mode, OFlags};
use rustix::io::Errno;

use super::super::error::{Error, Result, While, shown};
use super::super::names::MAX_DEPTH;
use super::remove::FOLDER;

/// How many folders stay open.
const MAX_OPEN: usize = 128;

/// How many links one path may cross, as in the kernel.
const MAX_LINKS: usize = 40;

/// An open folder.
pub struct Folder {
    /// Its descriptor.
    pub fd: OwnedFd,
    /// New files take something from this folder (a set-group-id bit, a default ACL): set all they need.
    pub careful: bool,
    /// Which writer works here.
    pub shard: usize,
}

/// A folder and its real path.
#[derive(Clone)]
pub struct Place {
    /// The folder.
    pub folder: Arc<Folder>,
    /// Its path without any link in it.
    pub path: Vec<u8>,
}

/// What the walk asks of its user.
pub trait Guide {
    /// A folder that was not open yet is about to be looked up at this real path.
    fn before(&mut self, path: &[u8]) -> Result<()>;
    /// The folder at this real path was opened; whether it may stay open. One that stays open is not told again, so it
    /// must be known by then that this archive works in it.
    fn entered(&mut self, path: &[u8]) -> bool;
    /// There is none: make it.
    fn make(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<()>;
    /// Something else than a folder or a link is there; whether the folder was made in its place.
    fn in_the_way(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<bool>;
}

/// A guide that makes nothing, for when the writers are idle.
pub struct Lookup;

impl Guide for Lookup {
    fn before(&mut self, _path: &[u8]) -> Result<()> {
        Ok(())
    }

    fn entered(&mut self, _path: &[u8]) -> bool {
        false
    }

    fn make(&mut self, _parent: &Place, _name: &[u8], path: &[u8]) -> Result<()> {
        refused(Errno::NOENT, path)
    }

    fn in_the_way(&mut self, _parent: &Place, _name: &[u8], _path: &[u8]) -> Result<bool> {
        Ok(false)
    }
}

/// The same, when nothing will be put anywhere any more: folders may stay open.
struct AtTheEnd;

impl Guide for AtTheEnd {
    fn before(&mut self, _path: &[u8]) -> Result<()> {
        Ok(())
    }

    fn entered(&mut self, _path: &[u8]) -> bool {
        true
    }

    fn make(&mut self, _parent: &Place, _name: &[u8], path: &[u8]) -> Result<()> {
        refused(Errno::NOENT, path)
    }

    fn in_the_way(&mut self, _parent: &Place, _name: &[u8], _path: &[u8]) -> Result<bool> {
        Ok(false)
    }
}

/// Whether an error says that a folder is not there.
pub fn is_absent(error: &Error) -> bool {
    let absent = [Errno::NOENT.raw_os_error(), Errno::NOTDIR.raw_os_error()];
    matches!(error, Error::System { errno, .. } if absent.contains(errno))
}

/// The tree below one root.
pub struct Tree {
    root: Place,
    open: HashMap<Vec<u8>, Arc<Folder>>,
    shards: usize,
    last: Option<Place>,
}

impl Tree {
    /// Opens the root.
    pub fn new(target: &Path, shards: usize) -> Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = sys::open(target, flags, Mode::empty()).during("open", target.as_os_str().as_bytes())?;
        let careful = has_heirs(&fd);
        let root = Place { folder: Arc::new(Folder { fd, careful, shard: 0 }), path: Vec::new() };
        Ok(Self { root, open: HashMap::new(), shards, last: None })
    }

    /// Returns the folder that `path` names, links resolved inside the root.
    pub fn find(&mut self, path: &[u8], guide: &mut impl Guide) -> Result<Place> {
        if let Some(place) = self.last.as_ref().filter(|place| place.path == path) {
            return Ok(place.clone());
        }
        let place = match self.open.get(path) {
            Some(folder) => Place { folder: folder.clone(), path: path.to_vec() },
            None => self.walk(path, guide)?,
        };
        // A path that crosses a link is walked each time: the link may be another one by then.
        self.last = self.open.contains_key(path).then(|| place.clone());
        Ok(place)
    }

    /// Returns the folder if its path still leads there without any link.
    pub fn find_plain(&mut self, path: &[u8]) -> Result<Option<Place>> {
        self.make_room();
        let mut here = self.root.clone();
        for part in parts_backwards(path).iter().rev() {
            match self.step(&here, part, &mut AtTheEnd) {
                Ok(Step::Into(place)) => here = place,
                Ok(Step::Link(_)) => return Ok(None),
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(here))
    }

    /// Whether the folder at this real path is open.
    pub fn is_open(&self, path: &[u8]) -> bool {
        self.open.contains_key(path)
    }

    /// Closes all folders when there are too many, before a walk and not within: so the parents of an open folder are
    /// open too. Jobs hold theirs; the few that are needed again are opened again.
    fn make_room(&mut self) {
        if self.open.len() >= MAX_OPEN {
            self.open.clear();
            self.last = None;
        }
    }

    fn walk(&mut self, path: &[u8], guide: &mut impl Guide) -> Result<Place> {
        self.make_room();
        let mut stack = vec![self.root.clone()];
        let mut todo = parts_backwards(path);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == b".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let here = stack.last().unwrap_or(&self.root).clone();
            match self.step(&here, &part, guide)? {
                Step::Into(place) => stack.push(place),
                Step::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return refused(Errno::LOOP, path);
                    }
                    if target.starts_with(b"/") {
                        stack.truncate(1);
                    }
                    todo.extend(parts_backwards(&target));
                }
            }
            if stack.len() > MAX_DEPTH + 1 {
                return refused(Errno::NAMETOOLONG, path);
            }
        }
        Ok(stack.pop().unwrap_or_else(|| self.root.clone()))
    }

    /// Goes from one folder to the next, and makes it if nothing is there.
    fn step(&mut self, here: &Place, name: &[u8], guide: &mut impl Guide) -> Result<Step> {
        let path = join(&here.path, name);
        if let Some(folder) = self.open.get(&path) {
            return Ok(Step::Into(Place { folder: folder.clone(), path }));
        }
        guide.before(&path)?;
        loop {
            match sys::openat(&here.folder.fd, name, FOLDER, Mode::empty()) {
                Ok(fd) => {
                    let stays = guide.entered(&path);
                    let folder = self.opened(fd, has_heirs, &path);
                    if stays {
                        self.open.insert(path.clone(), folder.clone());
                    }
                    return Ok(Step::Into(Place { folder, path }));
                }
                Err(Errno::NOENT) => guide.make(here, name, &path)?,
                Err(Errno::NOTDIR | Errno::LOOP) => match sys::readlinkat(&here.folder.fd, name, Vec::new()) {
                    Ok(target) => return Ok(Step::Link(target.into_bytes())),
                    Err(Errno::INVAL) if guide.in_the_way(here, name, &path)? => {}
                    Err(Errno::INVAL) => return refused(Errno::NOTDIR, &path),
                    Err(errno) => return refused(errno, &path),
                },
                Err(errno) => return refused(errno, &path),
            }
        }
    }

    /// Opens a folder that was just made, and keeps it open.
    pub fn enter(&mut self, here: &Place, name: &[u8], path: Vec<u8>) -> Result<Place> {
        let fd = sys::openat(&here.folder.fd, name, FOLDER, Mode::empty()).during("open", &path)?;
        let careful = here.folder.careful;
        let folder = self.opened(fd, |fd| careful && has_heirs(fd), &path);
        self.open.insert(path.clone(), folder.clone());
        Ok(Place { folder, path })
    }

    fn opened(&self, fd: OwnedFd, careful: impl Fn(&OwnedFd) -> bool, path: &[u8]) -> Arc<Folder> {
        let shard = path.iter().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        Arc::new(Folder { careful: careful(&fd), fd, shard: shard % self.shards })
    }

    /// Forgets a folder that is about to be removed, and all below it.
    pub fn forget(&mut self, path: &[u8]) {
        let below = join(path, b"");
        self.open.retain(|open, _| open != path && !open.starts_with(&below));
        self.last = None;
    }
}

enum Step {
    Into(Place),
    Link(Vec<u8>),
}

fn refused<T>(errno: Errno, path: &[u8]) -> Result<T> {
    Err(Error::System { errno: errno.raw_os_error(), detail: format!("open the folder {}", shown(path)) })
}

/// The path of `name` in the folder `path`.
pub fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// The components of a path, the last one first.
fn parts_backwards(path: &[u8]) -> Vec<Vec<u8>> {
    let plain = |part: &&[u8]| !part.is_empty() && *part != b".";
    path.split(|byte| *byte == b'/').rev().filter(plain).map(<[u8]>::to_vec).collect()
}

/// Whether new files in this folder inherit from it: inode(7), set-group-ID; acl(5), default ACL.
fn has_heirs(fd: &OwnedFd) -> bool {
    let setgid = sys::fstat(fd).is_ok_and(|stat| stat.st_mode & 0o2000 != 0);
    let mut nothing = [0_u8; 0];
    setgid || sys::fgetxattr(fd, "system.posix_acl_default", &mut nothing).is_ok_and(|size| size > 0)
}
