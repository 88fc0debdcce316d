//! One job of a writer: create, write, set the attributes, close.
//!
//! A file is created with `O_EXCL`, so it is always a new one: nothing that stood there is opened, be it a link that
//! leads out, a fifo that would block, or another name of some other file.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{self as sys, FileType, Mode, OFlags};
use rustix::io::{self, Errno};

use super::super::error::{Result, While};
use super::super::feed::Piece;
use super::super::tar::Spans;
use super::attributes::{Attributes, Policy, set_file, set_node};
use super::remove::remove;
use super::tree::Folder;

/// What is to be made.
pub enum What {
    /// A regular file; for a sparse one, where its data belong.
    File {
        /// Its size, holes included.
        size: u64,
        /// Where the data belong.
        spans: Option<Spans>,
    },
    /// A link with this target.
    Symlink(Vec<u8>),
    /// A character device.
    Char((u32, u32)),
    /// A block device.
    Block((u32, u32)),
    /// A named pipe.
    Fifo,
}

/// A new thing in a folder.
pub struct Node {
    /// Where.
    pub folder: Arc<Folder>,
    /// Its name there.
    pub name: Vec<u8>,
    /// What it is.
    pub what: What,
    /// What it shall have.
    pub attributes: Attributes,
}

/// One message to a writer.
pub enum Job {
    /// A node, or more data of the last one.
    Write {
        /// The node, in the first of its messages.
        node: Option<Box<Node>>,
        /// Some of its data.
        pieces: Vec<Piece>,
        /// Whether this is all.
        last: bool,
    },
    /// Answer when everything before is done.
    Answer(std::sync::mpsc::Sender<()>),
}

/// A file that is being written.
struct Open {
    node: Box<Node>,
    file: OwnedFd,
    /// For a sparse file: which span comes next, and how much of it is written.
    span: (usize, u64),
}

/// What one writer has in hand.
pub struct Bench {
    policy: Policy,
    open: Option<Open>,
}

impl Bench {
    /// Starts with nothing.
    pub fn new(policy: Policy) -> Self {
        Self { policy, open: None }
    }

    /// Carries one message out.
    pub fn write(&mut self, node: Option<Box<Node>>, pieces: &[Piece], last: bool) -> Result<()> {
        if let Some(node) = node {
            self.open = self.begin(node)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let Open { node, file, span } = open;
        match &node.what {
            What::File { spans: Some(spans), .. } => write_spans((file, &node.name), spans, span, pieces)?,
            _ => write_all((file, &node.name), pieces)?,
        }
        if last && let Some(Open { node, file, .. }) = self.open.take() {
            set_file(&self.policy, &node.folder, &file, &node.name, &node.attributes)?;
        }
        Ok(())
    }

    /// Makes the node; a file stays open for its data.
    fn begin(&self, node: Box<Node>) -> Result<Option<Open>> {
        let made = match create(&node) {
            Err(Errno::EXIST) => {
                remove(&node.folder.fd, &node.name)?;
                create(&node)
            }
            made => made,
        };
        let is_device = matches!(node.what, What::Char(_) | What::Block(_));
        match made {
            Ok(Some(file)) => {
                if let What::File { size, spans: Some(_) } = node.what {
                    sys::ftruncate(&file, size).during("size", &node.name)?;
                }
                Ok(Some(Open { node, file, span: (0, 0) }))
            }
            // Without the right to make devices (a user namespace) there are none, as in every rootless engine:
            // a container's /dev is a mount of its own.
            Err(Errno::PERM) if is_device => Ok(None),
            made => {
                made.during("create", &node.name)?;
                let is_link = matches!(node.what, What::Symlink(_));
                set_node(&self.policy, &node.folder, &node.name, is_link, &node.attributes)?;
                Ok(None)
            }
        }
    }
}

const CREATE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn create(node: &Node) -> io::Result<Option<OwnedFd>> {
    let (folder, name) = (&node.folder.fd, node.name.as_slice());
    let mode = Mode::from_raw_mode(node.attributes.mode & 0o777);
    let device = |kind, (major, minor)| sys::mknodat(folder, name, kind, mode, sys::makedev(major, minor));
    match &node.what {
        What::File { .. } => return sys::openat(folder, name, CREATE, mode).map(Some),
        What::Symlink(target) => sys::symlinkat(target.as_slice(), folder, name)?,
        What::Char(numbers) => device(FileType::CharacterDevice, *numbers)?,
        What::Block(numbers) => device(FileType::BlockDevice, *numbers)?,
        What::Fifo => device(FileType::Fifo, (0, 0))?,
    }
    Ok(None)
}

fn write_all((file, name): (&OwnedFd, &[u8]), pieces: &[Piece]) -> Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece.bytes())).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match io::writev(file, left) {
            Ok(0) => return Err(Errno::IO).during("write", name),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).during("write", name),
        }
    }
    Ok(())
}

/// Writes the pieces, end to end, into the spans.
fn write_spans(
    (file, name): (&OwnedFd, &[u8]),
    spans: &Spans,
    (at, written): &mut (usize, u64),
    pieces: &[Piece],
) -> Result<()> {
    for piece in pieces {
        let mut bytes = piece.bytes();
        while !bytes.is_empty()
            && let Some((offset, length)) = spans.get(*at)
        {
            let room = usize::try_from(length - *written).unwrap_or(usize::MAX).min(bytes.len());
            if room == 0 {
                (*at, *written) = (*at + 1, 0);
                continue;
            }
            match io::pwrite(file, &bytes[..room], offset + *written) {
                Ok(0) => return Err(Errno::IO).during("write", name),
                Ok(count) => {
                    bytes = &bytes[count..];
                    *written += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).during("write", name),
            }
        }
    }
    Ok(())
}
