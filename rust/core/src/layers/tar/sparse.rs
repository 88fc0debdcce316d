//! Sparse files: only the parts that are not zero are stored. Three dialects say where these parts lie.

use super::super::error::{Result, invalid};
use super::super::feed::{BLOCK, Feed};
use super::header::Header;
use super::number::{decimal, number};
use super::pax::Pax;

/// How many spans a file may have.
pub const MAX_SPANS: usize = 65_536;

/// How long a sparse file may claim to be. Its holes cost nothing here, but they do wherever it is copied.
pub const MAX_SPARSE_SIZE: u64 = 1 << 40;

/// Where the stored bytes belong: (offset, length), ascending.
pub type Spans = Vec<(u64, u64)>;

/// What a sparse entry says of its file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    /// Where the stored bytes belong.
    pub spans: Spans,
    /// The file's size, holes included.
    pub real_size: u64,
    /// The file's name, if the sparse records carry it.
    pub name: Option<Vec<u8>>,
    /// How many stored bytes the map itself took.
    pub map_size: u64,
}

impl Sparse {
    /// Checks that the spans ascend, fit into the file and add up to the stored bytes.
    pub fn check(&self, stored: u64) -> Result<()> {
        let mut end = 0;
        let mut sum = 0_u64;
        for (offset, length) in &self.spans {
            let next = offset.checked_add(*length);
            match next {
                Some(next) if *offset >= end && next <= self.real_size => end = next,
                _ => return invalid("a sparse map overlaps or exceeds its file"),
            }
            sum += length;
        }
        if Some(stored) != sum.checked_add(self.map_size) {
            return invalid("a sparse map does not add up to its data");
        }
        if self.real_size > MAX_SPARSE_SIZE {
            return invalid("a sparse file is too large");
        }
        Ok(())
    }

    fn push(&mut self, span: Option<(u64, u64)>) -> Result<()> {
        match span {
            Some(_) if self.spans.len() >= MAX_SPANS => {
                invalid(format!("a sparse map has more than {MAX_SPANS} spans"))
            }
            Some(span) => {
                self.spans.push(span);
                Ok(())
            }
            None => invalid("a sparse map holds what is no number"),
        }
    }
}

/// GNU's old form (type `S`): four spans in the header, 21 in each block that follows.
pub fn old_gnu(header: &Header, feed: &mut Feed<'_>) -> Result<Sparse> {
    let (first, mut more, real_size) = header.gnu_sparse()?;
    let mut sparse = Sparse { real_size, ..Sparse::default() };
    add_fields(&mut sparse, first)?;
    while more {
        let Some(block) = feed.block()? else { return invalid("the archive ends inside a sparse map") };
        add_fields(&mut sparse, &block[..504])?;
        more = block[504] != 0;
    }
    Ok(sparse)
}

fn add_fields(sparse: &mut Sparse, fields: &[u8]) -> Result<()> {
    let natural = |field: &[u8]| number(field).and_then(|value| u64::try_from(value).ok());
    for span in fields.chunks_exact(24).take_while(|span| span[0] != 0) {
        sparse.push(natural(&span[..12]).zip(natural(&span[12..])))?;
    }
    Ok(())
}

/// The PAX forms 0.0, 0.1 and 1.0; `None` if the records speak of no sparse file. `stored` bounds the map of 1.0.
pub fn from_pax(pax: &Pax, feed: &mut Feed<'_>, stored: u64) -> Result<Option<Sparse>> {
    let name = pax.get(b"GNU.sparse.name").map(<[u8]>::to_vec);
    match (pax.number("GNU.sparse.major")?, pax.number("GNU.sparse.minor")?) {
        (None, None) | (Some(0), Some(0 | 1)) => {}
        (Some(1), Some(0)) => {
            let Some(real_size) = pax.number("GNU.sparse.realsize")? else {
                return invalid("a sparse file has no real size");
            };
            let mut sparse = Sparse { real_size, name, ..Sparse::default() };
            read_map(&mut sparse, feed, stored)?;
            return Ok(Some(sparse));
        }
        _ => return invalid("an unknown version of sparse file"),
    }
    let real_size = pax.number("GNU.sparse.size")?;
    let Some(real_size) = real_size else {
        if !pax.spans.is_empty() || pax.records.keys().any(|key| key.starts_with(b"GNU.sparse.")) {
            return invalid("a sparse file has no size");
        }
        return Ok(None);
    };
    let mut sparse = Sparse { real_size, name, ..Sparse::default() };
    let numbers: Vec<&[u8]> = match pax.get(b"GNU.sparse.map") {
        Some(map) => map.split(|byte| *byte == b',').collect(),
        None => pax.spans.iter().flat_map(|(offset, length)| [offset.as_slice(), length]).collect(),
    };
    if numbers.len() % 2 != 0 || (pax.get(b"GNU.sparse.map").is_some() && !pax.spans.is_empty()) {
        return invalid("a sparse map is malformed");
    }
    for span in numbers.chunks_exact(2) {
        sparse.push(decimal(span[0]).zip(decimal(span[1])))?;
    }
    if pax.number("GNU.sparse.numblocks")?.is_some_and(|count| count != sparse.spans.len() as u64) {
        return invalid("a sparse map has another length than it says");
    }
    Ok(Some(sparse))
}

/// Form 1.0 puts the map before the data: a count and pairs, one decimal number a line, padded to whole blocks.
fn read_map(sparse: &mut Sparse, feed: &mut Feed<'_>, stored: u64) -> Result<()> {
    let mut lines = Lines { buffer: Vec::new(), read: 0, stored };
    let count = lines.number(feed)?;
    if count > MAX_SPANS as u64 {
        return invalid(format!("a sparse map has more than {MAX_SPANS} spans"));
    }
    for _ in 0..count {
        let span = (lines.number(feed)?, lines.number(feed)?);
        sparse.push(Some(span))?;
    }
    sparse.map_size = lines.read;
    Ok(())
}

struct Lines {
    buffer: Vec<u8>,
    read: u64,
    stored: u64,
}

impl Lines {
    fn number(&mut self, feed: &mut Feed<'_>) -> Result<u64> {
        loop {
            if let Some(end) = self.buffer.iter().take(21).position(|byte| *byte == b'\n') {
                let value = decimal(&self.buffer[..end]);
                self.buffer.drain(..=end);
                return value.map_or_else(|| invalid("a sparse map holds what is no number"), Ok);
            }
            if self.buffer.len() > 20 || self.read + BLOCK as u64 > self.stored.next_multiple_of(BLOCK as u64) {
                return invalid("a sparse map is malformed");
            }
            match feed.block()? {
                Some(block) => self.buffer.extend_from_slice(&block),
                None => return invalid("the archive ends inside a sparse map"),
            }
            self.read += BLOCK as u64;
        }
    }
}
