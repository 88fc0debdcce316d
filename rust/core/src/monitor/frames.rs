//! Frames on a stream socket: one byte of type, three of zero, four of length (big-endian), the payload.

use std::collections::VecDeque;

use serde::Serialize;

/// Bytes for the container's stdin.
pub const STDIN: u8 = 0;
/// Bytes of its stdout.
pub const STDOUT: u8 = 1;
/// Bytes of its stderr.
pub const STDERR: u8 = 2;
/// A message.
pub const MESSAGE: u8 = 3;

const HEADER: usize = 8;
const LONGEST: usize = 1 << 20;

/// Append a frame to `out`.
pub fn push(out: &mut VecDeque<u8>, kind: u8, payload: &[u8]) {
    out.extend([kind, 0, 0, 0]);
    out.extend((payload.len() as u32).to_be_bytes());
    out.extend(payload);
}

/// Append a message to `out`.
pub fn push_message(out: &mut VecDeque<u8>, message: &impl Serialize) {
    // values of ours always have a JSON form; a message that had none would be lost, and that is all
    if let Ok(json) = serde_json::to_vec(message) {
        push(out, MESSAGE, &json);
    }
}

/// What was received is not made of frames.
#[derive(Debug, PartialEq, Eq)]
pub struct NoFrame;

/// Bytes as they come, and whole frames out of them.
#[derive(Default)]
pub struct Reader {
    buffer: Vec<u8>,
    read: usize,
}

impl Reader {
    /// Take bytes in.
    pub fn feed(&mut self, data: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(data);
    }

    /// Return the next whole frame: its type and its payload.
    pub fn next(&mut self) -> Result<Option<(u8, &[u8])>, NoFrame> {
        let rest = &self.buffer[self.read..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else {
            if rest.is_empty() && self.buffer.capacity() > 1 << 16 {
                self.buffer = Vec::new(); // a long request came and went
                self.read = 0;
            }
            return Ok(None);
        };
        let [kind, 0, 0, 0, a, b, c, d] = *header else { return Err(NoFrame) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind > MESSAGE || length > LONGEST {
            return Err(NoFrame);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let begin = self.read + HEADER;
        self.read = begin + length;
        Ok(Some((kind, &self.buffer[begin..begin + length])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut wire = VecDeque::new();
        push(&mut wire, STDOUT, b"hello");
        push(&mut wire, STDIN, b"");
        push_message(&mut wire, &7);
        let wire: Vec<u8> = wire.into();
        let mut reader = Reader::default();
        let mut seen = Vec::new();
        for byte in &wire {
            reader.feed(&[*byte]);
            while let Some((kind, payload)) = reader.next().unwrap() {
                seen.push((kind, payload.to_vec()));
            }
        }
        assert_eq!(seen, [(STDOUT, b"hello".to_vec()), (STDIN, vec![]), (MESSAGE, b"7".to_vec())]);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [[9, 0, 0, 0, 0, 0, 0, 0], [3, 1, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 255, 255, 255]] {
            let mut reader = Reader::default();
            reader.feed(&bytes);
            assert_eq!(reader.next(), Err(NoFrame));
        }
    }
}
