//! Cutting a stream of bytes into lines of at most 16 KiB.

use std::time::SystemTime;

const LONGEST: usize = 16 << 10;

/// The unfinished line of one stream.
#[derive(Default)]
pub struct Lines {
    pending: Vec<u8>,
    since: Option<SystemTime>,
}

impl Lines {
    /// Take bytes in; hand each finished line, with its newline, and each full piece of a long one to `emit`.
    ///
    /// All pieces of a line have the time of its first one.
    pub fn feed(&mut self, data: &[u8], now: SystemTime, mut emit: impl FnMut(&[u8], SystemTime)) {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.pending.is_empty() && ends && part.len() <= LONGEST {
                emit(part, self.since.take().unwrap_or(now)); // the usual case: nothing is copied
                continue;
            }
            self.pending.extend_from_slice(part);
            let since = *self.since.get_or_insert(now);
            while self.pending.len() > LONGEST || (self.pending.len() == LONGEST && !ends) {
                let piece = whole_characters(&self.pending[..LONGEST]);
                emit(&self.pending[..piece], since);
                self.pending.drain(..piece);
            }
            if ends {
                emit(&self.pending, since);
                self.pending.clear();
                self.since = None;
            }
        }
    }

    /// The stream has ended.
    pub fn end(&mut self, mut emit: impl FnMut(&[u8], SystemTime)) {
        if let (false, Some(since)) = (self.pending.is_empty(), self.since) {
            emit(&self.pending, since);
        }
        *self = Self::default();
    }
}

/// How much of `data` can be cut off without cutting a UTF-8 character in two: its last one may not be whole.
fn whole_characters(data: &[u8]) -> usize {
    for (after, byte) in data.iter().rev().take(3).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue, // inside a character: look further back for its first byte
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > after + 1 { data.len() - after - 1 } else { data.len() };
    }
    data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.feed(chunk, SystemTime::UNIX_EPOCH, |line, _| seen.push(line.to_vec()));
        }
        lines.end(|line, _| seen.push(line.to_vec()));
        seen
    }

    #[test]
    fn lines_are_joined_and_cut() {
        assert_eq!(cut(&[b"a\nb", b"c\n\nd"]), [&b"a\n"[..], b"bc\n", b"\n", b"d"]);
        assert!(cut(&[b""]).is_empty());
    }

    #[test]
    fn long_lines_come_in_pieces_of_16_kib() {
        let long = vec![b'x'; 40_000];
        let pieces = cut(&[&long, b"\n"]);
        assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [16384, 16384, 7233]);
        assert!(pieces[2].ends_with(b"x\n"));
        let exact = [vec![b'y'; 16384], vec![b'\n']].concat();
        assert_eq!(cut(&[&exact]).iter().map(Vec::len).collect::<Vec<_>>(), [16384, 1]);
    }

    #[test]
    fn characters_are_not_cut() {
        let text = "é".repeat(10_000);
        let shifted = [b"a", text.as_bytes()].concat();
        let pieces = cut(&[&shifted]);
        assert_eq!(pieces[0].len(), 16383);
        assert!(pieces.iter().all(|piece| std::str::from_utf8(piece).is_ok()));
        assert_eq!(pieces.concat(), shifted);
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_too() {
        let noise = vec![0xff; 50_000];
        let pieces = cut(&[&noise]);
        assert_eq!(pieces.concat(), noise);
        assert!(pieces.iter().all(|piece| piece.len() <= 16384));
    }
}
