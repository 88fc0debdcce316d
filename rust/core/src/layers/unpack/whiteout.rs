//! Whiteouts: what the layers below have, and this one has not.
//!
//! They never touch what the same archive has put there, before or after: a whiteout speaks of the layers below
//! (image-spec, layer.md, "Whiteouts"). So a folder that the archive has, and whites out, becomes opaque.

use rustix::fs::{self as sys, FileType, Mode, XattrFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;

use super::super::error::{Error, Result, While};
use super::super::names;
use super::Whiteouts;
use super::place::{LookOnly, Placer};
use super::remove::{FOLDER, names_in, remove};
use super::seen::Kind;
use super::tree::{Place, is_absent, join};

impl Placer<'_> {
    /// Hides or deletes the name at `path`.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<()> {
        let (folder, name) = names::split(path);
        if self.ground.whiteouts == Whiteouts::Delete {
            return match self.look(folder)? {
                Some(parent) => self.delete_lower(&parent.folder.fd, name, &join(&parent.path, name)),
                None => Ok(()),
            };
        }
        let parent = self.tree.find(folder, &mut self.ground)?;
        let path = join(&parent.path, name);
        match self.ground.seen.get(&path) {
            Some(Kind::Folder) => return make_opaque(self.ground.whiteouts, &parent, name),
            Some(Kind::Other | Kind::Whiteout) => return Ok(()),
            None => {}
        }
        let mark = || sys::mknodat(&parent.folder.fd, name, FileType::CharacterDevice, Mode::empty(), 0);
        match mark() {
            Err(Errno::EXIST) => {
                self.tree.forget(&path);
                remove(&parent.folder.fd, name)?;
                mark().during("white out", &path)?;
            }
            marked => marked.during("white out", &path)?,
        }
        self.ground.seen.put(&path, Kind::Whiteout);
        Ok(())
    }

    /// Makes the folder opaque, or empties it of what the layers below put there.
    pub fn opaque(&mut self, folder: &[u8]) -> Result<()> {
        if let Some(attribute) = self.ground.whiteouts.opaque() {
            let place = self.tree.find(folder, &mut self.ground)?;
            return set_opaque(&place.folder.fd, attribute, &place.path);
        }
        match self.look(folder)? {
            Some(place) => self.delete_below(&place.folder.fd, &place.path),
            None => Ok(()),
        }
    }

    /// Returns a folder if it is there; where it is not, there is nothing to delete.
    fn look(&mut self, folder: &[u8]) -> Result<Option<Place>> {
        match self.tree.find(folder, &mut LookOnly(&mut self.ground)) {
            Ok(place) => Ok(Some(place)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn delete_below(&mut self, folder: impl AsFd, path: &[u8]) -> Result<()> {
        for name in names_in(&folder, path)? {
            self.delete_lower(&folder, &name, &join(path, &name))?;
        }
        Ok(())
    }

    /// Deletes what is not of this archive.
    fn delete_lower(&mut self, folder: impl AsFd, name: &[u8], path: &[u8]) -> Result<()> {
        match self.ground.seen.get(path) {
            None => {
                self.tree.forget(path);
                remove(folder, name)
            }
            Some(Kind::Folder) => match sys::openat(folder, name, FOLDER, Mode::empty()) {
                Ok(inner) => self.delete_below(inner, path),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
                Err(errno) => Err(errno).during("open", path),
            },
            Some(Kind::Other | Kind::Whiteout) => Ok(()),
        }
    }
}

/// Makes the folder `name` opaque, if whiteouts are marks at all.
pub fn make_opaque(whiteouts: Whiteouts, parent: &Place, name: &[u8]) -> Result<()> {
    let Some(attribute) = whiteouts.opaque() else { return Ok(()) };
    let fd = sys::openat(&parent.folder.fd, name, FOLDER, Mode::empty()).during("open", name)?;
    set_opaque(&fd, attribute, name)
}

fn set_opaque(folder: impl AsFd, attribute: &str, shown: &[u8]) -> Result<()> {
    sys::fsetxattr(folder, attribute, b"y", XattrFlags::empty()).during("make opaque", shown).map_err(|error| {
        match error {
            Error::System { errno, detail } => Error::System { errno, detail: format!("{detail} with {attribute}") },
            other => other,
        }
    })
}
