//! execve(2): this process becomes another program.

use std::ffi::{CStr, CString};

use rustix::io::Errno;

use super::clone::last_error;

/// A list of strings in the form that execve(2) takes: pointers, the last one null.
pub struct CStringList {
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl CStringList {
    /// Prepare `strings`; `None` if one of them holds a zero byte.
    pub fn new<S: AsRef<str>>(strings: &[S]) -> Option<Self> {
        let strings: Vec<CString> = strings.iter().map(|s| CString::new(s.as_ref()).ok()).collect::<Option<_>>()?;
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Some(Self { _strings: strings, pointers })
    }

    pub(super) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

/// Run `program` in place of this one; returns only if that failed.
pub fn execve(program: &CStr, argv: &CStringList, env: &CStringList) -> Errno {
    // SAFETY: both lists end with a null pointer, and their strings live as long as they do.
    unsafe { libc::execve(program.as_ptr(), argv.pointers.as_ptr(), env.pointers.as_ptr()) };
    last_error()
}
