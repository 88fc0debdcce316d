//! The reader: header after header, each with what its extra entries said.

use super::super::error::{Result, invalid, shown};
use super::super::feed::{BLOCK, Feed, Piece};
use super::header::{Dialect, Header, Kind, text};
use super::number::time;
use super::pax::Pax;
use super::sparse::{self, Spans, Sparse};

/// How large the data of an extra entry (PAX records, a GNU long name) may be.
const MAX_EXTRA: u64 = 1 << 20;

/// What an octal size field can hold; a PAX size is needed only above it.
const MAX_OCTAL_SIZE: u64 = 0o777_7777_7777;

/// One entry of the archive; its data wait in the reader.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as it stands in the archive.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The file's size, holes included; 0 for all but files.
    pub size: u64,
    /// The last change: seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// The target of a link.
    pub link: Vec<u8>,
    /// A device's two numbers.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// For a sparse file, where its data belong.
    pub spans: Option<Spans>,
    /// Where the data begin in the tar.
    pub offset: u64,
}

/// What the extra entries before a header said.
#[derive(Default)]
struct Extra {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// A strict reader of one archive.
pub struct Reader<'f, 'a> {
    feed: &'f mut Feed<'a>,
    global: Pax,
    left: u64,
    padding: u64,
}

impl<'f, 'a> Reader<'f, 'a> {
    /// Starts at the first header.
    pub fn new(feed: &'f mut Feed<'a>) -> Self {
        Self { feed, global: Pax::default(), left: 0, padding: 0 }
    }

    /// Returns the next entry; what is left of the last one's data is passed over. `None` at the end.
    pub fn entry(&mut self) -> Result<Option<Entry>> {
        self.feed.skip(self.left)?;
        self.feed.skip(self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut extra = Extra::default();
        while let Some(header) = self.header()? {
            match header.flag() {
                b'x' | b'g' | b'L' | b'K' => self.extra(&header, &mut extra)?,
                _ => return self.build(&header, extra).map(Some),
            }
        }
        if extra.pax.is_some() || extra.name.is_some() || extra.link.is_some() {
            return invalid("the archive ends after an extra header");
        }
        Ok(None)
    }

    /// Returns the next piece of the entry's stored data; `None` when there is no more.
    pub fn data(&mut self) -> Result<Option<Piece>> {
        if self.left == 0 {
            return Ok(None);
        }
        let piece = self.feed.piece(self.left)?;
        self.left -= piece.bytes().len() as u64;
        Ok(Some(piece))
    }

    /// Returns the next header; `None` at two zero blocks or at the end of the file.
    fn header(&mut self) -> Result<Option<Header>> {
        let is_zero = |block: &[u8; BLOCK]| block.iter().all(|byte| *byte == 0);
        let Some(block) = self.feed.block()? else { return Ok(None) };
        if !is_zero(&block) {
            return Header::new(block).map(Some);
        }
        match self.feed.block()? {
            Some(second) if !is_zero(&second) => invalid("a header follows a zero block"),
            _ => Ok(None),
        }
    }

    fn extra(&mut self, header: &Header, extra: &mut Extra) -> Result<()> {
        let size = header.size()?;
        if size > MAX_EXTRA {
            return invalid(format!("an extra header is larger than {MAX_EXTRA} bytes"));
        }
        let data = self.feed.gather(size as usize)?;
        self.feed.skip(padding(size))?;
        let twice = match header.flag() {
            b'g' => {
                self.global.merge_global(Pax::parse(&data)?)?;
                false
            }
            b'x' => extra.pax.replace(Pax::parse(&data)?).is_some(),
            b'L' => extra.name.replace(long_text(&data)?).is_some(),
            _ => extra.link.replace(long_text(&data)?).is_some(),
        };
        if twice { invalid("two extra headers say the same thing") } else { Ok(()) }
    }

    fn build(&mut self, header: &Header, extra: Extra) -> Result<Entry> {
        let pax = extra.pax.unwrap_or_default().over(&self.global);
        let mut name = one_of(pax.get(b"path"), extra.name, || header.name())?;
        let kind = kind(header, &name)?;
        let link = one_of(pax.get(b"linkpath"), extra.link, || header.link())?;
        let stored = stored_size(header, &pax)?;
        if kind != Kind::File && stored != 0 {
            return invalid(format!("{} is no file and has data", shown(&name)));
        }
        self.feed.expect(stored)?;
        let sparse = match header.flag() {
            b'S' if header.dialect != Dialect::Gnu => return invalid("a sparse header is not GNU's"),
            b'S' => Some(sparse::old_gnu(header, self.feed)?),
            _ => sparse::from_pax(&pax, self.feed, stored)?,
        };
        if let Some(sparse) = &sparse {
            check_sparse(sparse, kind, stored)?;
            name = sparse.name.clone().unwrap_or(name);
        }
        let map_size = sparse.as_ref().map_or(0, |sparse| sparse.map_size);
        (self.left, self.padding) = (stored - map_size, padding(stored));
        let is_device = matches!(kind, Kind::Char | Kind::Block);
        let device = if is_device { header.device()? } else { (0, 0) };
        Ok(Entry {
            kind,
            mode: header.mode()?,
            uid: id("uid", pax.number("uid")?.map_or_else(|| header.uid(), Ok)?)?,
            gid: id("gid", pax.number("gid")?.map_or_else(|| header.gid(), Ok)?)?,
            size: sparse.as_ref().map_or(stored, |sparse| sparse.real_size),
            mtime: mtime(header, &pax)?,
            link: if matches!(kind, Kind::HardLink | Kind::Symlink) { link } else { Vec::new() },
            device: (id("major", device.0)?, id("minor", device.1)?),
            xattrs: pax.xattrs().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
            spans: sparse.map(|sparse| sparse.spans),
            offset: self.feed.offset(),
            name,
        })
    }
}

/// How many bytes fill the last block up.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// A GNU long name: text, then NULs.
fn long_text(data: &[u8]) -> Result<Vec<u8>> {
    let name = text(data);
    if name.is_empty() || data[name.len()..].iter().any(|byte| *byte != 0) {
        return invalid("a GNU long name is malformed");
    }
    Ok(name.to_vec())
}

/// PAX, GNU or the header: the first two never together.
fn one_of(pax: Option<&[u8]>, gnu: Option<Vec<u8>>, header: impl Fn() -> Vec<u8>) -> Result<Vec<u8>> {
    match (pax, gnu) {
        (Some(_), Some(_)) => invalid("an entry has a PAX name and a GNU name"),
        (Some(name), None) => Ok(name.to_vec()),
        (None, Some(name)) => Ok(name),
        (None, None) => Ok(header()),
    }
}

fn kind(header: &Header, name: &[u8]) -> Result<Kind> {
    match header.flag() {
        0 if name.ends_with(b"/") => Ok(Kind::Folder), // V7 had no flag for folders
        b'0' | b'7' if name.ends_with(b"/") => invalid(format!("{} is a file named like a folder", shown(name))),
        0 | b'0' | b'7' | b'S' => Ok(Kind::File),
        b'1' => Ok(Kind::HardLink),
        b'2' => Ok(Kind::Symlink),
        b'3' => Ok(Kind::Char),
        b'4' => Ok(Kind::Block),
        b'5' => Ok(Kind::Folder),
        b'6' => Ok(Kind::Fifo),
        flag => invalid(format!("{} has the unknown type '{}'", shown(name), flag.escape_ascii())),
    }
}

/// The stored size. A PAX size that the header's field could have held must be what the field holds.
fn stored_size(header: &Header, pax: &Pax) -> Result<u64> {
    let field = header.size();
    match pax.number("size")? {
        None => field,
        Some(size) if size > MAX_OCTAL_SIZE => Ok(size),
        Some(size) if field? == size => Ok(size),
        Some(_) => invalid("a PAX size contradicts its header"),
    }
}

fn check_sparse(sparse: &Sparse, kind: Kind, stored: u64) -> Result<()> {
    if kind != Kind::File {
        return invalid("a sparse entry is no file");
    }
    sparse.check(stored)
}

/// A user's, group's or device's number; the highest means "none" to the kernel.
fn id(what: &str, value: u64) -> Result<u32> {
    match u32::try_from(value) {
        Ok(value) if value != u32::MAX => Ok(value),
        _ => invalid(format!("{what} {value} is out of range")),
    }
}

fn mtime(header: &Header, pax: &Pax) -> Result<(i64, u32)> {
    let mtime = match pax.get(b"mtime") {
        None => (header.mtime()?, 0),
        Some(stated) => match time(stated) {
            Some(stated) => stated,
            None => return invalid("PAX record \"mtime\" is no time"),
        },
    };
    // Four thousand times the age of writing: what is beyond is damage, and would overflow somewhere.
    if mtime.0.unsigned_abs() > 1 << 53 { invalid("an mtime is out of range") } else { Ok(mtime) }
}
