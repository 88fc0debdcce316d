//! PAX records: `LENGTH KEYWORD=VALUE\n`, where LENGTH counts the whole record.

use std::collections::BTreeMap;

use super::super::error::{Result, invalid, shown};
use super::number::decimal;

/// The keyword before an extended attribute's name.
pub const XATTR: &[u8] = b"SCHILY.xattr.";

/// How many bytes the global records may have.
const MAX_GLOBAL: usize = 16 << 10;

/// The records of one header, or of several merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pax {
    /// What each keyword says, the last word included.
    pub records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// GNU's sparse form 0.0 repeats two keywords: the offsets and lengths in their order.
    pub spans: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Pax {
    /// Reads all records.
    pub fn parse(mut data: &[u8]) -> Result<Self> {
        let mut pax = Self::default();
        while !data.is_empty() {
            let (key, value, rest) = record(data)?;
            data = rest;
            pax.add(key, value)?;
        }
        if pax.spans.iter().any(|(_, length)| length.is_empty()) {
            return invalid("a PAX sparse offset has no length");
        }
        Ok(pax)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let binary = key.starts_with(XATTR) || !is_known(key);
        if key.contains(&0) || (!binary && value.contains(&0)) {
            return invalid(format!("PAX record {} has a NUL", shown(key)));
        }
        match key {
            b"GNU.sparse.offset" => self.spans.push((value.to_vec(), Vec::new())),
            b"GNU.sparse.numbytes" => match self.spans.last_mut() {
                Some((_, length)) if length.is_empty() && !value.is_empty() => *length = value.to_vec(),
                _ => return invalid("a PAX sparse length has no offset"),
            },
            _ => {
                if self.records.insert(key.to_vec(), value.to_vec()).is_some() {
                    return invalid(format!("PAX record {} stands twice", shown(key)));
                }
            }
        }
        Ok(())
    }

    /// Returns what a keyword says; an empty value takes the record back (POSIX).
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.records.get(key).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    /// Returns a keyword's number.
    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        match self.get(key.as_bytes()) {
            None => Ok(None),
            Some(text) => match decimal(text) {
                Some(value) => Ok(Some(value)),
                None => invalid(format!("PAX record \"{key}\" is no number")),
            },
        }
    }

    /// Returns the extended attributes by name.
    pub fn xattrs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().filter_map(|(key, value)| Some((key.strip_prefix(XATTR)?, value.as_slice())))
    }

    /// Takes a global header in. What names or measures one file cannot hold for all that follow.
    pub fn merge_global(&mut self, later: Self) -> Result<()> {
        let of_one_file =
            |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
        if !later.spans.is_empty() || later.records.keys().any(|key| of_one_file(key)) {
            return invalid("a global PAX header names or measures a file");
        }
        self.records.extend(later.records);
        // Each entry that follows pays for these.
        if self.records.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_GLOBAL {
            return invalid(format!("more than {MAX_GLOBAL} bytes of global PAX records"));
        }
        Ok(())
    }

    /// Returns the local header on top of the global one.
    pub fn over(mut self, global: &Self) -> Self {
        for (key, value) in &global.records {
            self.records.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }
}

fn is_known(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size" | b"mtime" | b"uid" | b"gid" | b"uname" | b"gname")
        || key.starts_with(b"GNU.sparse.")
}

/// Splits the first record off.
fn record(data: &[u8]) -> Result<(&[u8], &[u8], &[u8])> {
    let parts = || {
        let space = data.iter().take(21).position(|byte| *byte == b' ')?;
        let length = usize::try_from(decimal(&data[..space])?).ok()?;
        let body = data.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = body.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
        Some((&body[..equals], &body[equals + 1..], &data[length..]))
    };
    match parts() {
        Some(parts) => Ok(parts),
        None => invalid("a PAX record is malformed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let pax = Pax::parse(b"12 path=a/b\n21 SCHILY.xattr.u=\0\n\n").unwrap();
        assert_eq!(pax.get(b"path"), Some(&b"a/b"[..]));
        assert_eq!(pax.xattrs().collect::<Vec<_>>(), [(&b"u"[..], &b"\0\n"[..])]);
    }

    #[test]
    fn malformed_records_are_refused() {
        let cases: [&[u8]; 9] = [
            b"11 path=a/b\n",
            b"13 path=a/b\n",
            b"path=a/b\n",
            b" 12 path=a/b\n",
            b"12 path=a\0b\n",
            b"9 path=a\n9 path=b\n",
            b"99999999999999999999 path=a\n",
            b"6 =ab\n",
            b"0 a=b\n",
        ];
        for bad in cases {
            assert!(Pax::parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
