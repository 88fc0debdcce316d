//! SHA-256. The processor's own instructions set the pace (SHA-NI), so no library is faster than another.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The 32 bytes of a digest.
pub type Sha256Sum = [u8; 32];

/// A digest that is still growing.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Returns the digest of all of them.
    pub fn finish(self) -> Sha256Sum {
        self.0.finalize().into()
    }
}

/// Returns the digest of a buffer.
pub fn digest(data: &[u8]) -> Sha256Sum {
    Sha256::digest(data).into()
}

/// Returns the digest of a file's bytes.
pub fn digest_file(path: &Path) -> io::Result<Sha256Sum> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(n) => hasher.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns `sha256:` and 64 digits.
pub fn hex(sum: &Sha256Sum) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in sum {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_digest_is_the_known_one() {
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&digest(b"")), known);
    }
}
