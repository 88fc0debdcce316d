//! Compression: which one it is, readers and writers for streams, and whole buffers.
//!
//! gzip streams may have many members one after the other (pigz, estargz); after the last one zeros may pad. zstd streams
//! may have many frames; a frame that wants a window of more than 128 MiB is refused, so memory is bounded.

use std::io::{self, BufRead, Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{Compression as Level, GzBuilder};

use super::error::{Error, Result, invalid};

/// 2^27 bytes: what `zstd -d` itself allows without being asked.
const MAX_WINDOW_LOG: u32 = 27;

/// How a blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// Reads the word of the ports; `auto` needs the first bytes.
    pub fn parse(word: &str, first: &[u8]) -> Result<Self> {
        match word {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "auto" => Ok(Self::guess(first)),
            _ => Err(Error::Argument(format!("unknown compression \"{word}\""))),
        }
    }

    /// Looks at the magic number; a zstd stream may begin with a skippable frame.
    fn guess(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Returns a reader of the uncompressed bytes.
pub fn decoder<'a, R: BufRead + 'a>(source: R, compression: Compression) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(Members { member: Some(GzDecoder::new(source)) }),
        Compression::Zstd => {
            let mut frames = zstd::stream::read::Decoder::with_buffer(source)?;
            frames.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(frames)
        }
    })
}

/// Tells a broken stream from a file that could not be read.
pub fn broken(error: &io::Error, name: &str) -> Error {
    match error.raw_os_error() {
        Some(errno) => Error::System { errno, detail: format!("read {name}") },
        None => Error::Invalid(format!("the compressed data are broken: {error}")),
    }
}

/// All members of a gzip stream.
struct Members<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            let mut source = ended.into_inner();
            if !only_zeros(&mut source)? {
                self.member = Some(GzDecoder::new(source));
            }
        }
        Ok(0)
    }
}

/// Passes over zeros; whether the stream ends there. Zeros before anything else are an error.
fn only_zeros(source: &mut impl BufRead) -> io::Result<bool> {
    let mut zeros = 0;
    loop {
        let bytes = source.fill_buf()?;
        let run = bytes.iter().take_while(|byte| **byte == 0).count();
        if bytes.is_empty() {
            return Ok(true);
        }
        if run < bytes.len() {
            let more = run + zeros == 0;
            return if more {
                Ok(false)
            } else {
                Err(io::Error::new(io::ErrorKind::InvalidData, "garbage after zeros"))
            };
        }
        zeros += run;
        source.consume(run);
    }
}

/// A writer that compresses; [`Encoder::finish`] returns what is below it.
pub enum Encoder<W: Write> {
    /// Nothing to do.
    None(W),
    /// Level 6, no name, no time: equal bytes give equal bytes.
    Gzip(flate2::write::GzEncoder<W>),
    /// Level 3.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Starts a stream.
    pub fn new(below: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(below),
            Compression::Gzip => Self::Gzip(GzBuilder::new().operating_system(3).write(below, Level::new(6))),
            Compression::Zstd => {
                let mut frames = zstd::stream::write::Encoder::new(below, 3)?;
                frames.include_checksum(true)?;
                Self::Zstd(frames)
            }
        })
    }

    /// Ends the stream.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::None(below) => Ok(below),
            Self::Gzip(stream) => stream.finish(),
            Self::Zstd(stream) => stream.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(below) => below.write(data),
            Self::Gzip(stream) => stream.write(data),
            Self::Zstd(stream) => stream.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(below) => below.flush(),
            Self::Gzip(stream) => stream.flush(),
            Self::Zstd(stream) => stream.flush(),
        }
    }
}

/// Returns a buffer uncompressed; more than `limit` bytes are refused.
pub fn inflate(data: &[u8], word: &str, limit: u64) -> Result<Vec<u8>> {
    let compression = Compression::parse(word, data)?;
    let mut stream = decoder(data, compression).map_err(|error| broken(&error, "a buffer"))?;
    let mut plain = Vec::new();
    stream
        .by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(|error| broken(&error, "a buffer"))?;
    if plain.len() as u64 > limit {
        return invalid(format!("the data are larger than {limit} bytes"));
    }
    Ok(plain)
}

/// Returns a buffer compressed.
pub fn deflate(data: &[u8], word: &str) -> Result<Vec<u8>> {
    if word == "auto" {
        return Err(Error::Argument("\"auto\" is no compression to write".into()));
    }
    let compression = Compression::parse(word, b"")?;
    let all = || {
        let mut stream = Encoder::new(Vec::new(), compression)?;
        stream.write_all(data)?;
        stream.finish()
    };
    all().map_err(|error: io::Error| broken(&error, "a buffer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_padding() {
        let one = deflate(b"abc", "gzip").unwrap();
        let two = [one.as_slice(), &one, &[0; 100]].concat();
        assert_eq!(inflate(&two, "auto", 6).unwrap(), b"abcabc");
        assert!(inflate(&two, "auto", 5).is_err());
        assert!(inflate(&[one.as_slice(), b"x"].concat(), "gzip", 99).is_err());
        assert!(inflate(&[one.as_slice(), &[0], &one].concat(), "gzip", 99).is_err());
        assert!(inflate(&one[..one.len() - 1], "gzip", 99).is_err());
        assert!(inflate(b"", "gzip", 99).is_err());
    }

    #[test]
    fn zstd_frames() {
        let one = deflate(b"abc", "zstd").unwrap();
        assert_eq!(inflate(&[one.as_slice(), &one].concat(), "auto", 6).unwrap(), b"abcabc");
        assert!(inflate(&one[..one.len() - 1], "zstd", 99).is_err());
        assert!(inflate(&[one.as_slice(), b"garbage"].concat(), "zstd", 99).is_err());
    }
}
