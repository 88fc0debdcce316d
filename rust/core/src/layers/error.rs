//! What can go wrong with a layer. `rust/py` maps each variant to one class of `minidock.errors`.

use std::io;

/// A layer could not be read, unpacked or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive breaks its format, exceeds a limit, or wants to leave its folder.
    #[error("{0}")]
    Invalid(String),
    /// The kernel refused something.
    #[error("{detail}: errno {errno}")]
    System {
        /// The error number.
        errno: i32,
        /// What was attempted.
        detail: String,
    },
    /// A real thing that a layer cannot hold, or that this code does not do.
    #[error("{0}")]
    Unsupported(String),
    /// The call itself makes no sense.
    #[error("{0}")]
    Argument(String),
}

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A refusal of the archive.
pub fn invalid<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(why.into()))
}

/// The bytes of a name, for a message: what is not UTF-8 or would break the line is escaped.
pub fn shown(name: &[u8]) -> String {
    let short = &name[..name.len().min(200)];
    let dots = if short.len() < name.len() { "..." } else { "" };
    format!("\"{}{dots}\"", short.escape_ascii())
}

/// Says what was attempted when the kernel refuses; made only then.
pub trait While<T> {
    /// Turns the refusal into [`Error::System`].
    fn during(self, verb: &str, name: &[u8]) -> Result<T>;
}

impl<T> While<T> for rustix::io::Result<T> {
    fn during(self, verb: &str, name: &[u8]) -> Result<T> {
        self.map_err(|errno| Error::System { errno: errno.raw_os_error(), detail: format!("{verb} {}", shown(name)) })
    }
}

impl<T> While<T> for io::Result<T> {
    fn during(self, verb: &str, name: &[u8]) -> Result<T> {
        self.map_err(|error| Error::System {
            errno: error.raw_os_error().unwrap_or(0),
            detail: format!("{verb} {}", shown(name)),
        })
    }
}
