//! The error of one step: which operation, which error number, and what was attempted.
//!
//! It becomes `minidock.errors.StepFailed` in Python and the `errno` and `message` of a step's report on a monitor's
//! socket, so it carries the same three parts as those. Code that does not know its operation leaves `op` empty;
//! whoever does know fills it in with [`Error::in_op`].

use std::fmt;

use rustix::io::Errno;

/// What went wrong in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The operation, such as `mount.overlay`; empty as long as nobody knows it.
    pub op: &'static str,
    /// The error number of the system call that failed, 0 if none did.
    pub errno: i32,
    /// What was attempted: one line without the error's own name.
    pub detail: String,
}

/// The result of a step or of a part of one.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that no system call gave.
    pub fn plain(detail: impl Into<String>) -> Self {
        Self { op: "", errno: 0, detail: detail.into() }
    }

    /// An error with a system call's number.
    pub fn system(errno: Errno, detail: impl Into<String>) -> Self {
        Self { op: "", errno: errno.raw_os_error(), detail: detail.into() }
    }

    /// The same error, named after its operation unless it already has one.
    pub fn in_op(mut self, op: &'static str) -> Self {
        if self.op.is_empty() {
            self.op = op;
        }
        self
    }

    /// Whether this is the error number `errno`.
    pub fn is(&self, errno: Errno) -> bool {
        self.errno == errno.raw_os_error()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.op.is_empty() {
            write!(out, "{}: ", self.op)?;
        }
        out.write_str(&self.detail)?;
        match self.errno {
            0 => Ok(()),
            errno => write!(out, ": {}", std::io::Error::from_raw_os_error(errno)),
        }
    }
}

impl std::error::Error for Error {}

/// Says what was attempted when a system call fails.
pub trait Attempt<T> {
    /// Turn a bare error number into an [`Error`] with `detail`.
    fn attempt(self, detail: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Attempt<T> for rustix::io::Result<T> {
    fn attempt(self, detail: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::system(errno, detail()))
    }
}

impl<T> Attempt<T> for std::io::Result<T> {
    fn attempt(self, detail: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| match error.raw_os_error() {
            Some(errno) => Error { op: "", errno, detail: detail() },
            None => Error::plain(format!("{}: {error}", detail())),
        })
    }
}
