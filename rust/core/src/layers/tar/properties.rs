//! What must hold for every archive, also for one that nobody would write.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::feed::{BLOCK, feed_of};
use super::{Entry, Reader};

/// Reads to the end, or to the first error.
fn read(data: &[u8], chunk: usize) -> (Vec<(Entry, Vec<u8>)>, Option<String>) {
    let mut feed = feed_of(data, chunk);
    let mut reader = Reader::new(&mut feed);
    let mut entries = Vec::new();
    loop {
        match reader.entry() {
            Ok(Some(entry)) => {
                let mut content = Vec::new();
                loop {
                    match reader.data() {
                        Ok(Some(piece)) => content.extend_from_slice(piece.bytes()),
                        Ok(None) => break,
                        Err(error) => return (entries, Some(error.to_string())),
                    }
                }
                entries.push((entry, content));
            }
            Ok(None) => return (entries, None),
            Err(error) => return (entries, Some(error.to_string())),
        }
    }
}

/// A header block with a right checksum, fields of any content.
fn block() -> impl Strategy<Value = [u8; BLOCK]> {
    let flag = prop::sample::select(b"0123456xgLKSZ\0".to_vec());
    let magic = prop::sample::select(vec![&b"ustar\x0000"[..], b"ustar  \0", b"\0\0\0\0\0\0\0\0"]);
    let size = prop_oneof![(0..3_000_u64).prop_map(|size| format!("{size:011o}\0").into_bytes()), vec(any::<u8>(), 12)];
    (vec(any::<u8>(), BLOCK), flag, magic, size, any::<bool>()).prop_map(|(noise, flag, magic, size, numbers)| {
        let mut block = [0; BLOCK];
        block.copy_from_slice(&noise);
        if numbers {
            block[100..148].copy_from_slice(b"0000644\x000000001\x000000002\x0000000000000\x0000000000007\0");
        }
        block[124..136].copy_from_slice(&size);
        block[156] = flag;
        block[257..265].copy_from_slice(magic);
        block[148..156].copy_from_slice(b"        ");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    })
}

/// Headers, PAX text, numbers and zeros in any order.
fn archive() -> impl Strategy<Value = Vec<u8>> {
    let padded = |mut text: Vec<u8>| {
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        text
    };
    let records = vec(("[a-zA-Z.]{1,12}", "[a-z0-9,.]{0,40}"), 0..4).prop_map(|pairs| {
        let lines = pairs.into_iter().map(|(key, value)| {
            let rest = key.len() + value.len() + 3;
            format!("{} {key}={value}\n", rest + (rest + 2).to_string().len())
        });
        lines.collect::<String>().into_bytes()
    });
    let part = prop_oneof![
        4 => block().prop_map(|block| block.to_vec()),
        2 => records.prop_map(padded),
        1 => vec(any::<u8>(), 0..1500).prop_map(padded),
        1 => Just(vec![0; BLOCK]),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_archive_makes_the_reader_panic(data in archive()) {
        read(&data, 1 << 20);
    }

    #[test]
    fn chunks_make_no_difference(data in archive(), chunk in 1..700_usize) {
        prop_assert_eq!(read(&data, 1 << 20), read(&data, chunk));
    }

    #[test]
    fn a_cut_archive_has_the_same_beginning(data in archive(), cut in 0..4000_usize) {
        let (whole, _) = read(&data, 1 << 20);
        let (part, _) = read(&data[..cut.min(data.len())], 1 << 20);
        prop_assert_eq!(&part[..], &whole[..part.len()]);
    }

    #[test]
    fn stored_bytes_lie_where_the_entry_says(data in archive()) {
        for (entry, content) in read(&data, 1 << 20).0 {
            let start = usize::try_from(entry.offset).unwrap();
            prop_assert_eq!(&data[start..start + content.len()], &content[..]);
        }
    }
}
