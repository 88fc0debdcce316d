//! The walk over the folder: sorted, on descriptors, never through a link, never opening a fifo or a device.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::{self, Errno};

use super::super::error::{Error, Result, While, shown};
use super::super::names::{self, is_overlay_xattr};
use super::super::unpack::{FOLDER, Whiteouts, join, names_in};
use super::header::{Wanted, blocks};
use super::sink::Sink;
use super::unsupported;

/// The walk, and what it has counted.
pub struct Scan<'s> {
    whiteouts: Whiteouts,
    sink: &'s mut Sink,
    root: OwnedFd,
    /// The first name of each file that has several.
    first_names: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    /// How many entries were written.
    pub entries: u64,
    /// How many bytes of files.
    pub size: u64,
}

impl<'s> Scan<'s> {
    /// Opens the folder.
    pub fn new(upper: &Path, whiteouts: Whiteouts, sink: &'s mut Sink) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = sys::open(upper, flags, Mode::empty()).during("open", upper.as_os_str().as_bytes())?;
        let (first_names, buffer) = (HashMap::new(), vec![0; 256 << 10]);
        Ok(Self { whiteouts, sink, root, first_names, buffer, entries: 0, size: 0 })
    }

    /// Writes all entries and the end of the archive. The root itself has no entry, as in Docker's layers.
    pub fn run(&mut self) -> Result<()> {
        let root = self.root.try_clone().during("open", b"the root")?;
        let marks = self.xattrs(&root, b"", b"")?;
        self.folder(&root, b"", &marks)?;
        self.sink.write(&[0; 1024])
    }

    /// Writes what a folder has, its opaque mark first.
    fn folder(&mut self, fd: &OwnedFd, path: &[u8], marks: &Marks) -> Result<()> {
        if marks.opaque {
            self.whiteout(&join(path, b".wh..wh..opq"))?;
        }
        for name in names_in(fd, path)? {
            self.node(fd, &name, join(path, &name))?;
        }
        Ok(())
    }

    fn node(&mut self, folder: &OwnedFd, name: &[u8], path: Vec<u8>) -> Result<()> {
        if name.starts_with(b".wh.") {
            return unsupported(&path, "begins with .wh., which means something else in a layer");
        }
        if names::clean(&path).is_err() {
            return unsupported(&path, "lies deeper than a layer's names can say");
        }
        let stat = sys::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).during("stat", &path)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                if self.whiteouts == Whiteouts::Delete {
                    return unsupported(&path, "is overlay's mark of a whiteout, where there should be none");
                }
                let hidden = [b".wh.", name].concat();
                let at = path.len() - name.len();
                return self.whiteout(&[&path[..at], &hidden].concat());
            }
            FileType::Socket => return Ok(()), // nobody could answer on it: tar and Docker leave it out too
            _ => {}
        }
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.first_names.get(&(stat.st_dev, stat.st_ino)).cloned() {
                let entry = Wanted { name: &path, flag: b'1', link: &first, ..wanted(&stat) };
                return self.entry(&entry);
            }
            self.first_names.insert((stat.st_dev, stat.st_ino), path.clone());
        }
        self.first_time(folder, name, path, &stat, kind)
    }

    fn first_time(&mut self, folder: &OwnedFd, name: &[u8], path: Vec<u8>, stat: &Stat, kind: FileType) -> Result<()> {
        let mut marks = self.xattrs(folder, name, &path)?;
        let mut entry = Wanted { name: &path, xattrs: std::mem::take(&mut marks.kept), ..wanted(stat) };
        match kind {
            FileType::RegularFile => return self.file(folder, name, entry),
            FileType::Directory => {
                let shown = [path.as_slice(), b"/"].concat();
                (entry.name, entry.flag) = (&shown, b'5');
                self.entry(&entry)?;
                let fd = sys::openat(folder, name, FOLDER, Mode::empty()).during("open", &path)?;
                return self.folder(&fd, &path, &marks);
            }
            FileType::Symlink => {
                let target = sys::readlinkat(folder, name, Vec::new()).during("read the link", &path)?.into_bytes();
                (entry.flag, entry.link) = (b'2', &target);
                return self.entry(&entry);
            }
            FileType::CharacterDevice => entry.flag = b'3',
            FileType::BlockDevice => entry.flag = b'4',
            FileType::Fifo => entry.flag = b'6',
            _ => return unsupported(&path, "is of an unknown kind"),
        }
        entry.device = (sys::major(stat.st_rdev), sys::minor(stat.st_rdev));
        self.entry(&entry)
    }

    fn entry(&mut self, entry: &Wanted<'_>) -> Result<()> {
        self.entries += 1;
        self.sink.write(&blocks(entry))
    }

    fn whiteout(&mut self, name: &[u8]) -> Result<()> {
        self.entry(&Wanted { name, flag: b'0', ..Wanted::default() })
    }

    /// Writes a file with exactly the size that its header says: a file that shrinks meanwhile is an error.
    fn file(&mut self, folder: &OwnedFd, name: &[u8], mut entry: Wanted<'_>) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = sys::openat(folder, name, flags, Mode::empty()).during("open", entry.name)?;
        let stat = sys::fstat(&file).during("stat", entry.name)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return changed(entry.name);
        }
        (entry.flag, entry.size) = (b'0', u64::try_from(stat.st_size).unwrap_or(0));
        self.size += entry.size;
        self.entry(&entry)?;
        let mut left = entry.size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            match io::read(&file, &mut self.buffer[..most]) {
                Ok(0) => return changed(entry.name),
                Ok(count) => {
                    self.sink.write(&self.buffer[..count])?;
                    left -= count as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).during("read", entry.name),
            }
        }
        self.sink.pad()
    }

    /// Returns the attributes that a layer keeps, and overlay's marks.
    fn xattrs(&self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<Marks> {
        let at = [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat();
        let mut list = vec![0_u8; 65_536]; // the kernel's own limit: listxattr(2)
        let size = match sys::llistxattr(&at, &mut list) {
            Ok(size) => size,
            Err(Errno::OPNOTSUPP) => 0,
            Err(errno) => return Err(errno).during("list the attributes of", path),
        };
        list.truncate(size);
        let mut marks = Marks::default();
        let prefix = if self.whiteouts == Whiteouts::UserXattr { "user.overlay." } else { "trusted.overlay." };
        for key in list.split(|byte| *byte == 0).filter(|key| !key.is_empty()) {
            let value = || {
                let mut value = vec![0_u8; 65_536];
                let size = sys::lgetxattr(&at, key, &mut value).during("read an attribute of", path)?;
                value.truncate(size);
                Ok(value)
            };
            match key.strip_prefix(prefix.as_bytes()) {
                Some(b"opaque") => marks.opaque = self.whiteouts != Whiteouts::Delete && value()? == b"y",
                Some(b"redirect" | b"metacopy") if self.whiteouts != Whiteouts::Delete => {
                    return unsupported(
                        path,
                        "holds its data elsewhere: mount overlays without redirect_dir and metacopy",
                    );
                }
                _ if is_overlay_xattr(key) => {}
                _ if key == b"security.capability" || key.starts_with(b"user.") => {
                    marks.kept.push((key.to_vec(), value()?))
                }
                _ => {} // labels and the like belong to this host
            }
        }
        Ok(marks)
    }
}

/// What the extended attributes of a node say.
#[derive(Default)]
struct Marks {
    opaque: bool,
    kept: Vec<(Vec<u8>, Vec<u8>)>,
}

fn wanted(stat: &Stat) -> Wanted<'static> {
    Wanted {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        ..Wanted::default()
    }
}

fn changed<T>(name: &[u8]) -> Result<T> {
    let detail = format!("{} changed while it was read", shown(name));
    Err(Error::System { errno: Errno::STALE.raw_os_error(), detail })
}
