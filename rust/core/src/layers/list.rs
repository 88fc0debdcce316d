//! The list of an archive's entries, without unpacking.

use std::path::Path;

use serde::Serialize;

use super::budget::{Count, Limits};
use super::error::Result;
use super::names;
use super::source::with_tar;
use super::tar::{Entry, Kind, Reader};

/// One line of the list. Names that are not UTF-8 show their odd bytes as `\xff`.
#[derive(Serialize)]
struct Line<'a> {
    name: String,
    r#type: &'a str,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: i64,
    link: String,
    offset: u64,
}

/// Returns the entries as JSON lines.
pub fn entries(source: &Path, compression: &str, limits: &Limits) -> Result<Vec<u8>> {
    let (list, _) = with_tar(source, compression, limits, |feed| {
        let mut reader = Reader::new(feed);
        let mut list = Vec::new();
        let mut count = Count::default();
        while let Some(entry) = reader.entry()? {
            count.add(&entry, limits)?;
            names::meaning(&entry)?;
            write_line(&mut list, &entry)?;
        }
        Ok(list)
    })?;
    Ok(list)
}

fn write_line(list: &mut Vec<u8>, entry: &Entry) -> Result<()> {
    let path = names::clean(&entry.name)?;
    // A whiteout may be a hard link to anything: its target has no meaning.
    let target = if entry.kind == Kind::HardLink { names::clean(&entry.link).ok() } else { None };
    let link = target.unwrap_or_else(|| entry.link.clone());
    let line = Line {
        name: if path.is_empty() { ".".into() } else { text(&path) },
        r#type: entry.kind.word(),
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        mtime: entry.mtime.0,
        link: text(&link),
        offset: entry.offset,
    };
    serde_json::to_writer(&mut *list, &line).map_err(|error| super::Error::Unsupported(error.to_string()))?;
    list.push(b'\n');
    Ok(())
}

/// Bytes as text: UTF-8 where it is, `\xff` where it is not.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        text.push_str(part.valid());
        for byte in part.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}
