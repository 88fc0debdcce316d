//! What an entry does to what already stands at its path.
//!
//! | entry  | nothing | a folder                  | anything else    |
//! |--------|---------|---------------------------|------------------|
//! | folder | made    | kept, gets the attributes | replaced         |
//! | other  | made    | replaced with its content | replaced         |
//!
//! "Replaced" means unlinked and made anew: nothing is ever written into, or through, what is there. Of two entries for
//! one path the last one counts. A folder's attributes are set at the very end: its times change with its content.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, Mode};
use rustix::io::Errno;

use super::super::error::{Error, Result, While, shown};
use super::super::names;
use super::super::tar::{Entry, Kind, Reader};
use super::Whiteouts;
use super::attributes::{Attributes, Policy, set_folder};
use super::remove::{is_folder, remove};
use super::seen::{self, Seen};
use super::tree::{Guide, Lookup, Place, Tree, join};
use super::whiteout::make_opaque;
use super::write::{Job, Node, What};
use super::writers::Writers;

/// How many bytes of a file go to a writer at once; a pass holds several times as much.
const BATCH: usize = 4 << 20;

/// Puts entries into the tree.
pub struct Placer<'w> {
    pub(super) tree: Tree,
    pub(super) ground: Ground<'w>,
}

/// All that is known besides the open folders.
pub struct Ground<'w> {
    pub(super) whiteouts: Whiteouts,
    pub(super) seen: Seen,
    policy: Policy,
    writers: &'w mut Writers,
    /// The attributes of folders, by real path, for the end.
    later: BTreeMap<Vec<u8>, Attributes>,
}

impl Guide for Ground<'_> {
    fn before(&mut self, path: &[u8]) -> Result<()> {
        match self.seen.get(path) {
            Some(seen::Kind::Other) => self.writers.flush(), // perhaps a link: it must be there to be followed
            _ => Ok(()),
        }
    }

    fn entered(&mut self, path: &[u8]) -> bool {
        self.seen.put(path, seen::Kind::Folder);
        true
    }

    fn make(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<()> {
        sys::mkdirat(&parent.folder.fd, name, Mode::from_raw_mode(0o755)).during("make the folder", path)?;
        self.later.insert(path.to_vec(), Attributes::implied());
        Ok(())
    }

    fn in_the_way(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<bool> {
        if self.seen.get(path) != Some(seen::Kind::Whiteout) {
            return Ok(false);
        }
        remove(&parent.folder.fd, name)?;
        self.make(parent, name, path)?;
        make_opaque(self.whiteouts, parent, name)?;
        Ok(true)
    }
}

/// A guide that waits for the writers where it must, and makes nothing.
pub struct LookOnly<'g, 'w>(pub &'g mut Ground<'w>);

impl Guide for LookOnly<'_, '_> {
    fn before(&mut self, path: &[u8]) -> Result<()> {
        self.0.before(path)
    }

    fn entered(&mut self, _path: &[u8]) -> bool {
        false
    }

    fn make(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<()> {
        Lookup.make(parent, name, path)
    }

    fn in_the_way(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<bool> {
        Lookup.in_the_way(parent, name, path)
    }
}

impl<'w> Placer<'w> {
    /// Starts in the folder `target`.
    pub fn new(target: &Path, whiteouts: Whiteouts, policy: Policy, writers: &'w mut Writers) -> Result<Self> {
        let tree = Tree::new(target, writers.count())?;
        let ground = Ground { whiteouts, policy, writers, seen: Seen::default(), later: BTreeMap::new() };
        Ok(Self { tree, ground })
    }

    /// Notes the root's own attributes.
    pub fn root(&mut self, mut entry: Entry) {
        self.ground.later.insert(Vec::new(), Attributes::of(&mut entry));
    }

    /// Puts one entry at `path`.
    pub fn node(&mut self, path: &[u8], mut entry: Entry, reader: &mut Reader<'_, '_>) -> Result<()> {
        let (folder, name) = names::split(path);
        let parent = self.tree.find(folder, &mut self.ground)?;
        let path = join(&parent.path, name);
        match entry.kind {
            Kind::Folder => return self.folder(&parent, name, path, &mut entry),
            Kind::HardLink => return self.hard_link(&parent, name, &path, &entry),
            _ => self.clear(&parent, name, &path)?,
        }
        let what = match entry.kind {
            Kind::File => What::File { size: entry.size, spans: entry.spans.take() },
            Kind::Symlink => What::Symlink(std::mem::take(&mut entry.link)),
            Kind::Char => What::Char(entry.device),
            Kind::Block => What::Block(entry.device),
            _ => What::Fifo,
        };
        let attributes = Attributes::of(&mut entry);
        let node = Node { folder: parent.folder.clone(), name: name.to_vec(), what, attributes };
        self.send(node, reader)
    }

    fn send(&mut self, node: Node, reader: &mut Reader<'_, '_>) -> Result<()> {
        let shard = node.folder.shard;
        let mut node = Some(Box::new(node));
        loop {
            let (mut pieces, mut size, mut last) = (Vec::new(), 0, false);
            while size < BATCH {
                let Some(piece) = reader.data()? else {
                    last = true;
                    break;
                };
                size += piece.bytes().len();
                pieces.push(piece);
            }
            self.ground.writers.send(shard, Job::Write { node: node.take(), pieces, last })?;
            if last {
                return Ok(());
            }
        }
    }

    /// Makes sure that no folder of this archive stands where something else comes; a writer replaces the rest itself.
    fn clear(&mut self, parent: &Place, name: &[u8], path: &[u8]) -> Result<()> {
        let before = self.ground.seen.put(path, seen::Kind::Other);
        if before == Some(seen::Kind::Folder) || self.tree.is_open(path) {
            self.ground.writers.flush()?; // some of them may be writing inside
            remove(&parent.folder.fd, name)?;
            self.tree.forget(path);
            self.ground.later.remove(path);
        }
        Ok(())
    }

    fn folder(&mut self, parent: &Place, name: &[u8], path: Vec<u8>, entry: &mut Entry) -> Result<()> {
        let before = self.ground.seen.get(&path);
        if !self.tree.is_open(&path) {
            if before == Some(seen::Kind::Other) {
                self.ground.writers.flush()?;
            }
            self.make_folder(parent, name, &path, before == Some(seen::Kind::Whiteout))?;
        }
        self.ground.seen.put(&path, seen::Kind::Folder);
        self.ground.later.insert(path, Attributes::of(entry));
        Ok(())
    }

    fn make_folder(&mut self, parent: &Place, name: &[u8], path: &[u8], opaque: bool) -> Result<()> {
        let make = || sys::mkdirat(&parent.folder.fd, name, Mode::from_raw_mode(0o755));
        match make() {
            Err(Errno::EXIST) if is_folder(&parent.folder.fd, name)? == Some(true) => return Ok(()),
            Err(Errno::EXIST) => {
                remove(&parent.folder.fd, name)?;
                make().during("make the folder", path)?;
            }
            made => made.during("make the folder", path)?,
        }
        if opaque {
            make_opaque(self.ground.whiteouts, parent, name)?;
        }
        self.tree.enter(parent, name, path.to_vec())?;
        Ok(())
    }

    /// Links to a file that this archive, or the folder it is applied to, already has.
    fn hard_link(&mut self, parent: &Place, name: &[u8], path: &[u8], entry: &Entry) -> Result<()> {
        self.ground.writers.flush()?;
        let target = names::link_target(entry)?;
        let (folder, target_name) = names::split(&target);
        let from = self.tree.find(folder, &mut Lookup)?;
        let target = join(&from.path, target_name);
        if self.ground.seen.get(&target) == Some(seen::Kind::Whiteout)
            || is_folder(&from.folder.fd, target_name)?.is_none()
        {
            let detail = format!("link {} to {}, which is not there", shown(path), shown(&target));
            return Err(Error::System { errno: Errno::NOENT.raw_os_error(), detail });
        }
        if target == path {
            return Ok(());
        }
        self.clear(parent, name, path)?;
        let link = || sys::linkat(&from.folder.fd, target_name, &parent.folder.fd, name, AtFlags::empty());
        match link() {
            Err(Errno::EXIST) => {
                remove(&parent.folder.fd, name)?;
                link().during("link", path)
            }
            linked => linked.during("link", path),
        }
    }

    /// Waits for the writers, then sets the folders' attributes, unless a folder has gone meanwhile.
    pub fn finish(&mut self) -> Result<()> {
        self.ground.writers.flush()?;
        for (path, attributes) in std::mem::take(&mut self.ground.later) {
            if let Some(place) = self.tree.find_plain(&path)? {
                set_folder(&self.ground.policy, &place.folder.fd, &path, &attributes)?;
            }
        }
        Ok(())
    }
}
