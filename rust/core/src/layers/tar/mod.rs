//! The tar format, read strictly.
//!
//! ```text
//!   [header block][data, padded to 512] [header][data] … [zero block][zero block] anything
//! ```
//!
//! What a header cannot hold (long names, big numbers, xattrs, holes) comes in extra entries before it: PAX records
//! (`x` for the next entry, `g` for all that follow) or GNU's `L` and `K`. Three dialects of sparse files exist.
//!
//! Readers of this format have disagreed about sizes, and archives were made that show one tree to a scanner and another
//! to an extractor. So whatever is ambiguous is refused: a size in PAX that contradicts the header's, two headers for one
//! thing, a record that does not end where it says.
//!
//! Source: POSIX `pax`; tar(5); the GNU tar manual, "Tar Internals".

mod header;
mod number;
mod pax;
#[cfg(test)]
mod properties;
mod reader;
mod sparse;

pub use header::Kind;
pub use reader::{Entry, Reader};
pub use sparse::Spans;
