//! The overlay: layers below, one writable folder on top, one tree to see (kernel filesystems/overlayfs).
//!
//! Since Linux 6.8 each layer is handed over alone (`lowerdir+`), 500 at most. Older kernels take one string of all
//! layers through mount(2), one page at most; layers are then named by descriptor (`/proc/self/fd/7`) if their paths
//! are too long for it. That older way can only mount at a place, so a tree that is to be mounted nowhere is first
//! mounted in a mount namespace that one short-lived thread has for itself.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, move_mount};
use serde::Deserialize;

use super::filesystem::{Builder, HOST_PATH, copy_mount};
use super::options::Options;
use crate::error::{Attempt, Error, Result};
use crate::sys::mount::{Attributes, mount_setattr};

/// What an overlay is made of: the topmost layer first; without `upper` it is read-only.
#[derive(Debug, Clone, Deserialize)]
pub struct Overlay {
    /// Read-only layers, the topmost first.
    pub lower: Vec<String>,
    /// The writable folder.
    pub upper: Option<String>,
    /// The kernel's scratch folder, on the file system of `upper`.
    pub work: Option<String>,
    /// Options such as `userxattr` or `nodev`.
    #[serde(default)]
    pub options: Vec<String>,
}

const LONGEST_STRING: usize = 255; // fsconfig(2) copies no more of a string
const LONGEST_DATA: usize = 4095; // mount(2): one page with its final zero

impl Overlay {
    /// Mount it on the folder `target`.
    pub fn mount_at(&self, target: &str) -> Result<()> {
        match self.build() {
            Err(error) if error.is(Errno::INVAL) => self.mount_as_one_string(target),
            Err(error) => Err(error),
            Ok(mount) => {
                move_mount(&mount, "", CWD, target, HOST_PATH).attempt(|| format!("attach the overlay at {target}"))
            }
        }
    }

    /// Make it, mounted nowhere.
    pub fn detached(&self) -> Result<OwnedFd> {
        match self.build() {
            Err(error) if error.is(Errno::INVAL) => self.detached_as_one_string(),
            other => other,
        }
    }

    fn build(&self) -> Result<OwnedFd> {
        let options = Options::parse(&self.options)?;
        let overlay = Builder::new("overlay")?;
        overlay.set("source", Some("overlay"))?;
        let mut held = Vec::new();
        for layer in &self.lower {
            overlay.set("lowerdir+", Some(&short(layer, &mut held)?))?;
        }
        for (name, path) in [("upperdir", &self.upper), ("workdir", &self.work)] {
            if let Some(path) = path {
                overlay.set(name, Some(&short(path, &mut held)?))?;
            }
        }
        overlay.set_data(&options)?;
        overlay.mount(&options)
    }

    fn mount_as_one_string(&self, target: &str) -> Result<()> {
        let options = Options::parse(&self.options)?;
        let mut held = Vec::new();
        let mut data = self.data(&options, |path| Ok(path.to_owned()))?;
        if data.len() > LONGEST_DATA {
            data = self.data(&options, |path| by_descriptor(path, &mut held))?;
        }
        if data.len() > LONGEST_DATA {
            return Err(Error::plain(format!("{} layers are too many for this kernel", self.lower.len())));
        }
        let data = std::ffi::CString::new(data).map_err(|_| Error::plain("a layer's path holds a zero byte"))?;
        rustix::mount::mount("overlay", target, "overlay", MountFlags::empty(), data.as_c_str())
            .attempt(|| format!("mount the overlay at {target}"))?;
        let mount = rustix::fs::open(target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open the overlay at {target}"))?;
        super::filesystem::change(mount.as_fd(), &options)
    }

    fn data(&self, options: &Options, mut name: impl FnMut(&str) -> Result<String>) -> Result<String> {
        let lower = self.lower.iter().map(|path| Ok(escape(&name(path)?, true))).collect::<Result<Vec<_>>>()?;
        let mut parts = vec![format!("lowerdir={}", lower.join(":"))];
        for (key, path) in [("upperdir", &self.upper), ("workdir", &self.work)] {
            if let Some(path) = path {
                parts.push(format!("{key}={}", escape(&name(path)?, false)));
            }
        }
        parts.extend(options.data.iter().map(|(key, value)| match value {
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        }));
        Ok(parts.join(","))
    }

    /// A thread may have a mount namespace of its own; what it mounted there outlives it as a descriptor.
    fn detached_as_one_string(&self) -> Result<OwnedFd> {
        let target = self.lower.first().ok_or_else(|| Error::plain("an overlay without layers"))?;
        let inside = || -> Result<OwnedFd> {
            // A new mount namespace for this thread alone; it shares no memory or descriptor less than before.
            leave_mount_namespace().attempt(|| "unshare the mount namespace".into())?;
            let private = Attributes { propagation: libc::MS_PRIVATE, ..Attributes::default() };
            mount_setattr(CWD, c"/", private, true).attempt(|| "make all mounts private".into())?;
            self.mount_as_one_string(target)?;
            copy_mount(CWD, target, false).attempt(|| "take the overlay along".into())
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|_| Err(Error::plain("the thread that mounts the overlay ended badly")))
    }
}

fn leave_mount_namespace() -> rustix::io::Result<()> {
    crate::sys::namespaces::unshare((libc::CLONE_NEWNS | libc::CLONE_FS) as u64)
}

/// Return `path`, or a short name for it: fsconfig(2) takes strings of 255 bytes at most.
fn short(path: &str, held: &mut Vec<OwnedFd>) -> Result<String> {
    if path.len() > LONGEST_STRING { by_descriptor(path, held) } else { Ok(path.to_owned()) }
}

fn by_descriptor(path: &str, held: &mut Vec<OwnedFd>) -> Result<String> {
    let fd = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("open the layer {path}"))?;
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    held.push(fd);
    Ok(name)
}

/// Escape what separates layers and options in the one string.
fn escape(path: &str, in_list: bool) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '\\' | ',') || (in_list && character == ':') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_paths_are_escaped() {
        assert_eq!(escape("/a:b,c\\d", true), "/a\\:b\\,c\\\\d");
        assert_eq!(escape("/a:b", false), "/a:b");
    }

    #[test]
    fn the_one_string_names_everything() {
        let overlay = Overlay {
            lower: vec!["/two".into(), "/one".into()],
            upper: Some("/up".into()),
            work: Some("/work".into()),
            options: vec!["userxattr".into(), "index=off".into()],
        };
        let options = Options::parse(&overlay.options).unwrap();
        let data = overlay.data(&options, |path| Ok(path.to_owned())).unwrap();
        assert_eq!(data, "lowerdir=/two:/one,upperdir=/up,workdir=/work,userxattr,index=off");
    }
}
