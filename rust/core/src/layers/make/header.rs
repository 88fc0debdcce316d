//! Header blocks: ustar, and PAX records for what does not fit.

use std::collections::BTreeMap;

use super::super::feed::BLOCK;

/// The largest numbers of a header's fields.
const MAX_ID: u32 = 0o777_7777;
const MAX_SIZE: u64 = 0o777_7777_7777;

/// What one entry says of its file.
#[derive(Default)]
pub struct Wanted<'a> {
    /// The name; a folder's ends with a slash.
    pub name: &'a [u8],
    /// The type flag.
    pub flag: u8,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of data.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// The target of a link.
    pub link: &'a [u8],
    /// A device's numbers.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Returns the blocks before the data.
pub fn blocks(wanted: &Wanted<'_>) -> Vec<u8> {
    let records = records(wanted);
    let mut blocks = Vec::new();
    if !records.is_empty() {
        let data: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        let extra =
            Wanted { name: b"PaxHeader", flag: b'x', mode: 0o644, size: data.len() as u64, ..Wanted::default() };
        blocks.extend_from_slice(&block(&extra));
        blocks.extend_from_slice(&data);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    }
    blocks.extend_from_slice(&block(wanted));
    blocks
}

/// What the plain header cannot hold, sorted by keyword.
fn records(wanted: &Wanted<'_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut add = |key: &str, value: Vec<u8>| records.insert(key.as_bytes().to_vec(), value);
    if wanted.name.len() > 100 {
        add("path", wanted.name.to_vec());
    }
    if wanted.link.len() > 100 {
        add("linkpath", wanted.link.to_vec());
    }
    if wanted.size > MAX_SIZE {
        add("size", wanted.size.to_string().into());
    }
    if wanted.uid > MAX_ID {
        add("uid", wanted.uid.to_string().into());
    }
    if wanted.gid > MAX_ID {
        add("gid", wanted.gid.to_string().into());
    }
    if !fits(wanted.mtime) {
        add("mtime", time(wanted.mtime).into());
    }
    for (name, value) in &wanted.xattrs {
        records.insert([b"SCHILY.xattr.", name.as_slice()].concat(), value.clone());
    }
    records
}

fn fits((seconds, nanoseconds): (i64, u32)) -> bool {
    nanoseconds == 0 && u64::try_from(seconds).is_ok_and(|seconds| seconds <= MAX_SIZE)
}

/// Seconds with as many digits behind the point as are needed.
fn time((seconds, nanoseconds): (i64, u32)) -> String {
    // -1.75 s is stored as -2 s and 250,000,000 ns.
    let (sign, seconds, nanoseconds) = match (seconds < 0, nanoseconds) {
        (false, _) => ("", seconds.unsigned_abs(), nanoseconds),
        (true, 0) => ("-", seconds.unsigned_abs(), 0),
        (true, _) => ("-", seconds.unsigned_abs() - 1, 1_000_000_000 - nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One PAX record: the length counts its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3; // space, equals sign, newline
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

fn block(wanted: &Wanted<'_>) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &wanted.name[..wanted.name.len().min(100)]);
    put(100, octal::<7>(wanted.mode.into()).as_bytes());
    put(108, octal::<7>(if wanted.uid > MAX_ID { 0 } else { wanted.uid.into() }).as_bytes());
    put(116, octal::<7>(if wanted.gid > MAX_ID { 0 } else { wanted.gid.into() }).as_bytes());
    put(124, octal::<11>(if wanted.size > MAX_SIZE { 0 } else { wanted.size }).as_bytes());
    let seconds = u64::try_from(wanted.mtime.0).unwrap_or(0);
    put(136, octal::<11>(if seconds > MAX_SIZE { 0 } else { seconds }).as_bytes());
    put(148, b"        ");
    put(156, &[wanted.flag]);
    put(157, &wanted.link[..wanted.link.len().min(100)]);
    put(257, b"ustar\x0000");
    if matches!(wanted.flag, b'3' | b'4') {
        put(329, octal::<7>(wanted.device.0.into()).as_bytes());
        put(337, octal::<7>(wanted.device.1.into()).as_bytes());
    }
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    block[148..154].copy_from_slice(octal::<6>(sum).as_bytes());
    block[154] = 0;
    block
}

fn octal<const WIDTH: usize>(value: u64) -> String {
    format!("{value:0WIDTH$o}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_themselves() {
        assert_eq!(record(b"a", b"b"), b"6 a=b\n");
        assert_eq!(record(b"path", &[b'x'; 90]).len(), 99);
        assert!(record(b"path", &[b'x'; 91]).starts_with(b"101 "));
    }

    #[test]
    fn times_are_exact() {
        assert_eq!(time((5, 0)), "5");
        assert_eq!(time((5, 500_000_000)), "5.5");
        assert_eq!(time((-2, 250_000_000)), "-1.75");
        assert_eq!(time((-10, 0)), "-10");
        assert_eq!(time((-1, 999_999_999)), "-0.000000001");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(
            name in "[a-z/é]{1,300}", link in "[a-z]{1,300}", mode in 0..0o10000_u32, uid in 0..u32::MAX,
            seconds in -(1_i64 << 40)..1 << 40, nanoseconds in 0..1_000_000_000_u32, value in proptest::collection::vec(0..=255_u8, 0..200),
        ) {
            let xattrs = vec![(b"user.x".to_vec(), value)];
            let (name, link) = (name.as_bytes(), link.as_bytes());
            let mtime = (seconds, nanoseconds);
            let wanted = Wanted { name, flag: b'2', mode, uid, gid: uid / 2, mtime, link, xattrs: xattrs.clone(), ..Wanted::default() };
            let mut feed = super::super::super::feed::feed_of(&blocks(&wanted), 300);
            let mut reader = super::super::super::tar::Reader::new(&mut feed);
            let entry = reader.entry().unwrap().unwrap();
            proptest::prop_assert_eq!((&entry.name[..], &entry.link[..], entry.mode), (name, link, mode));
            proptest::prop_assert_eq!((entry.uid, entry.gid, entry.mtime, entry.xattrs), (uid, uid / 2, mtime, xattrs));
            proptest::prop_assert!(reader.entry().unwrap().is_none());
        }
    }
}
