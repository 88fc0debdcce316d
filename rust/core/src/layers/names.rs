//! What an entry's name means, decided without looking at the disk.
//!
//! Names are bytes, taken as they are; only empty and `.` components go, and a leading `/`. A `..` is refused: no tool
//! that makes layers writes one. `.wh.NAME` is a *whiteout*: NAME of the layers below is gone; `.wh..wh..opq` makes its
//! folder *opaque*: all that the layers below have in it is gone. (image-spec, layer.md.)

use super::error::{Result, invalid, shown};
use super::tar::{Entry, Kind};

/// The kernel's limits: limits.h.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4095;

/// How deep a name may go: each level can cost an open folder.
pub const MAX_DEPTH: usize = 256;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What an entry asks for. Paths have the form `a/b/c`; the empty path is the root.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The root's own mode, owner and times.
    Root,
    /// Something stands at this path.
    Node(Vec<u8>),
    /// The name at this path, in the layers below, is gone.
    Whiteout(Vec<u8>),
    /// The folder's content, in the layers below, is gone.
    Opaque(Vec<u8>),
}

/// Splits a path into its folder and its last name.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// Brings a name into the form `a/b/c`, or refuses it.
pub fn clean(name: &[u8]) -> Result<Vec<u8>> {
    let refuse = |why: &str| invalid(format!("the name {} {why}", shown(name)));
    if name.is_empty() {
        return refuse("is empty");
    }
    let mut path = Vec::with_capacity(name.len());
    let mut depth = 0;
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => continue,
            b".." => return refuse("goes up"),
            _ if part.len() > MAX_NAME => return refuse("has a part of more than 255 bytes"),
            _ if part.contains(&0) => return refuse("has a NUL"),
            _ => {}
        }
        depth += 1;
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(part);
    }
    if path.len() > MAX_PATH {
        return refuse("is longer than 4095 bytes");
    }
    if depth > MAX_DEPTH {
        return refuse("is deeper than 256 levels");
    }
    Ok(path)
}

/// Decides what an entry asks for, and refuses what no layer may ask.
pub fn meaning(entry: &Entry) -> Result<Meaning> {
    let path = clean(&entry.name)?;
    let refuse = |why: &str| invalid(format!("{} {why}", shown(&entry.name)));
    if path.is_empty() {
        check_xattrs(entry)?;
        return if entry.kind == Kind::Folder { Ok(Meaning::Root) } else { refuse("is the root, and no folder") };
    }
    let (folder, name) = split(&path);
    if folder.split(|byte| *byte == b'/').any(|part| part.starts_with(WHITEOUT)) {
        return refuse("lies in a whiteout");
    }
    if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        if entry.size != 0 || !matches!(entry.kind, Kind::File | Kind::HardLink) {
            return refuse("is a whiteout, and no empty file");
        }
        if name == OPAQUE {
            return Ok(Meaning::Opaque(folder.to_vec()));
        }
        if hidden.starts_with(WHITEOUT) || matches!(hidden, b"" | b"." | b"..") {
            return refuse("is no proper whiteout");
        }
        return Ok(Meaning::Whiteout(if folder.is_empty() {
            hidden.to_vec()
        } else {
            [folder, b"/", hidden].concat()
        }));
    }
    check_node(entry, &path)?;
    Ok(Meaning::Node(path))
}

/// Refuses links to nowhere, and the device that is overlay's own mark.
fn check_node(entry: &Entry, path: &[u8]) -> Result<()> {
    let refuse = |why: &str| invalid(format!("{} {why}", shown(&entry.name)));
    match entry.kind {
        Kind::Symlink if entry.link.is_empty() || entry.link.len() > MAX_PATH => refuse("links to no possible path"),
        Kind::HardLink => {
            let target = link_target(entry)?;
            let hidden = target.split(|byte| *byte == b'/').any(|part| part.starts_with(WHITEOUT));
            if target.is_empty() || target == path || hidden {
                refuse("is a hard link to what no file can be")
            } else {
                Ok(())
            }
        }
        Kind::Char if entry.device == (0, 0) => refuse("is the device 0:0, overlay's own mark"),
        Kind::Char | Kind::Block if entry.device.0 >= 1 << 12 || entry.device.1 >= 1 << 20 => {
            refuse("has a device number that Linux does not have")
        }
        _ => check_xattrs(entry),
    }
}

/// Returns the path that a hard link names.
pub fn link_target(entry: &Entry) -> Result<Vec<u8>> {
    clean(&entry.link)
}

/// Refuses attributes beyond the kernel's limits (xattr(7)).
fn check_xattrs(entry: &Entry) -> Result<()> {
    for (name, value) in &entry.xattrs {
        if name.is_empty() || name.len() > 255 || value.len() > 65_536 {
            return invalid(format!("{} has an extended attribute beyond the limits", shown(&entry.name)));
        }
    }
    Ok(())
}

/// Whether an attribute is overlay's own: it would redirect a folder or open another tree, so no layer may set it.
pub fn is_overlay_xattr(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}
