//! One header block: where its fields are, and which dialect it speaks.
//!
//! ```text
//!   0 name 100 │ 100 mode 8 │ 108 uid 8 │ 116 gid 8 │ 124 size 12 │ 136 mtime 12 │ 148 checksum 8 │ 156 type
//!   157 link 100 │ 257 magic 8 │ 265 user 32 │ 297 group 32 │ 329 major 8 │ 337 minor 8 │ 345 prefix 155
//!   GNU:  386 four spans of 24 │ 482 more spans follow │ 483 real size 12
//! ```

use super::super::error::{Result, invalid};
use super::super::feed::BLOCK;
use super::number::number;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// One more name for a file of the same archive.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
}

impl Kind {
    /// The word that listings use.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::HardLink => "hardlink",
            Self::Symlink => "symlink",
            Self::Char => "char",
            Self::Block => "block",
            Self::Folder => "dir",
            Self::Fifo => "fifo",
        }
    }
}

/// Who wrote the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Before 1988: no magic, no prefix.
    V7,
    /// POSIX `ustar`.
    Posix,
    /// Jörg Schilling's star: a shorter prefix.
    Star,
    /// GNU: other fields in the prefix's place.
    Gnu,
}

/// A header block whose checksum is right.
pub struct Header {
    block: [u8; BLOCK],
    /// Who wrote it.
    pub dialect: Dialect,
}

impl Header {
    /// Checks the sum and the magic.
    pub fn new(block: [u8; BLOCK]) -> Result<Self> {
        let stated = number(&block[148..156]);
        let counted = |byte: &u8| i64::from(*byte);
        let signed = |byte: &u8| i64::from(i8::from_ne_bytes([*byte]));
        let outside = || block[..148].iter().chain(&block[156..]);
        let blanks = 8 * 32;
        let sums = [outside().map(counted).sum::<i64>() + blanks, outside().map(signed).sum::<i64>() + blanks];
        if !stated.is_some_and(|sum| sums.contains(&sum)) {
            return invalid("a header's checksum is wrong");
        }
        let dialect = match &block[257..265] {
            b"ustar  \0" => Dialect::Gnu,
            b"ustar\x0000" if &block[508..] == b"tar\0" => Dialect::Star,
            b"ustar\x0000" => Dialect::Posix,
            magic if magic.starts_with(b"ustar") => return invalid("a header has an unknown version"),
            _ => Dialect::V7,
        };
        Ok(Self { block, dialect })
    }

    /// The type flag.
    pub fn flag(&self) -> u8 {
        self.block[156]
    }

    /// A number that cannot be negative.
    fn natural(&self, what: &str, start: usize, len: usize) -> Result<u64> {
        match number(&self.block[start..start + len]).and_then(|value| u64::try_from(value).ok()) {
            Some(value) => Ok(value),
            None => invalid(format!("a header's {what} is no number")),
        }
    }

    /// The permission bits, with set-user-id and the like.
    pub fn mode(&self) -> Result<u32> {
        Ok((self.natural("mode", 100, 8)? & 0o7777) as u32)
    }

    /// The owner.
    pub fn uid(&self) -> Result<u64> {
        self.natural("uid", 108, 8)
    }

    /// The group.
    pub fn gid(&self) -> Result<u64> {
        self.natural("gid", 116, 8)
    }

    /// How many bytes of data follow.
    pub fn size(&self) -> Result<u64> {
        self.natural("size", 124, 12)
    }

    /// The time of the last change, in seconds.
    pub fn mtime(&self) -> Result<i64> {
        match number(&self.block[136..148]) {
            Some(seconds) => Ok(seconds),
            None => invalid("a header's mtime is no number"),
        }
    }

    /// A device's two numbers.
    pub fn device(&self) -> Result<(u64, u64)> {
        Ok((self.natural("major", 329, 8)?, self.natural("minor", 337, 8)?))
    }

    /// The name, with the prefix if the dialect has one.
    pub fn name(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = match self.dialect {
            Dialect::Posix => text(&self.block[345..500]),
            Dialect::Star => text(&self.block[345..476]),
            Dialect::V7 | Dialect::Gnu => b"",
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// The target of a link.
    pub fn link(&self) -> Vec<u8> {
        text(&self.block[157..257]).to_vec()
    }

    /// GNU's four spans, whether more follow, and the file's real size.
    pub fn gnu_sparse(&self) -> Result<(&[u8], bool, u64)> {
        Ok((&self.block[386..482], self.block[482] != 0, self.natural("real size", 483, 12)?))
    }
}

/// The bytes up to the first NUL.
pub fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
