//! Mount options in the words of mount(8) and runc, sorted by who understands them.
//!
//! `nosuid` and its kind are attributes of one mount (mount_setattr(2)); with an `r` in front they reach all mounts
//! below (`rro`). `rslave` and its kind say how mounts spread (mount_namespaces(7)). `bind` and `rbind` say which kind
//! of mount it is. Whatever is left, such as `size=64m`, belongs to the file system and goes to fsconfig(2).

use crate::error::{Error, Result};
use crate::sys::mount::Attributes;

const ATIME_MASK: u64 = libc::MOUNT_ATTR__ATIME;

/// The attributes: word, bits to set, bits to clear. Each word also exists with an `r` in front.
const ATTRIBUTES: [(&str, u64, u64); 17] = [
    ("ro", libc::MOUNT_ATTR_RDONLY, 0),
    ("rw", 0, libc::MOUNT_ATTR_RDONLY),
    ("nosuid", libc::MOUNT_ATTR_NOSUID, 0),
    ("suid", 0, libc::MOUNT_ATTR_NOSUID),
    ("nodev", libc::MOUNT_ATTR_NODEV, 0),
    ("dev", 0, libc::MOUNT_ATTR_NODEV),
    ("noexec", libc::MOUNT_ATTR_NOEXEC, 0),
    ("exec", 0, libc::MOUNT_ATTR_NOEXEC),
    ("nodiratime", libc::MOUNT_ATTR_NODIRATIME, 0),
    ("diratime", 0, libc::MOUNT_ATTR_NODIRATIME),
    ("relatime", libc::MOUNT_ATTR_RELATIME, ATIME_MASK),
    ("norelatime", 0, ATIME_MASK),
    ("noatime", libc::MOUNT_ATTR_NOATIME, ATIME_MASK),
    ("atime", 0, ATIME_MASK),
    ("strictatime", libc::MOUNT_ATTR_STRICTATIME, ATIME_MASK),
    ("nosymfollow", libc::MOUNT_ATTR_NOSYMFOLLOW, 0),
    ("symfollow", 0, libc::MOUNT_ATTR_NOSYMFOLLOW),
];

/// Words that change nothing: they name what is so anyway.
const NO_CHANGE: [&str; 4] = ["defaults", "loud", "silent", "nostrictatime"];

/// Words that other runtimes know and this one does not.
const UNSUPPORTED: [&str; 4] = ["remount", "idmap", "ridmap", "tmpcopyup"];

/// A list of options, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Changes to the mount itself.
    pub own: Attributes,
    /// Changes to the mount and all below it.
    pub below: Attributes,
    /// How mounts spread: MS_PRIVATE, MS_SLAVE, … and whether for all mounts below.
    pub propagation: Option<(u64, bool)>,
    /// `rbind`: a bind mount takes along what is mounted below its source.
    pub recursive: bool,
    /// What the file system itself understands: name and value.
    pub data: Vec<(String, Option<String>)>,
}

impl Options {
    /// Sort `words`. An error names the word that no part of us understands.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            options.take(word.as_ref())?;
        }
        Ok(options)
    }

    /// The same, for a bind mount: there is no file system to take the rest.
    pub fn parse_bind<S: AsRef<str>>(words: &[S]) -> Result<Self> {
        let options = Self::parse(words)?;
        match options.data.first() {
            None => Ok(options),
            Some((name, _)) => Err(Error::plain(format!("option {name:?} has no meaning for a bind mount"))),
        }
    }

    fn take(&mut self, word: &str) -> Result<()> {
        if let Some((own, set, clear)) = attribute(word) {
            let target = if own { &mut self.own } else { &mut self.below };
            target.set = (target.set & !clear) | set;
            target.clear = (target.clear & !set) | clear;
        } else if let Some(propagation) = propagation(word) {
            self.propagation = Some(propagation);
        } else if word == "rbind" {
            self.recursive = true;
        } else if UNSUPPORTED.contains(&word) || UNSUPPORTED.iter().any(|w| word.starts_with(&format!("{w}="))) {
            return Err(Error::plain(format!("mount option {word:?} is not supported")));
        } else if word != "bind" && !word.is_empty() && !NO_CHANGE.contains(&word) {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            self.data.push((name.to_owned(), value.map(str::to_owned)));
        }
        Ok(())
    }
}

/// Look the word up: whether it is for the mount alone, bits to set, bits to clear.
fn attribute(word: &str) -> Option<(bool, u64, u64)> {
    let find = |name: &str| ATTRIBUTES.iter().find(|(known, ..)| *known == name).map(|&(_, set, clear)| (set, clear));
    find(word)
        .map(|(set, clear)| (true, set, clear))
        .or_else(|| word.strip_prefix('r').and_then(find).map(|(set, clear)| (false, set, clear)))
}

/// Read a word such as `rslave`: the kernel's flag, and whether it holds for all mounts below.
pub fn propagation(word: &str) -> Option<(u64, bool)> {
    let flag = |name: &str| match name {
        "private" => Some(libc::MS_PRIVATE),
        "slave" => Some(libc::MS_SLAVE),
        "shared" => Some(libc::MS_SHARED),
        "unbindable" => Some(libc::MS_UNBINDABLE),
        _ => None,
    };
    flag(word).map(|bits| (bits, false)).or_else(|| word.strip_prefix('r').and_then(flag).map(|bits| (bits, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_by_who_understands_them() {
        let options = Options::parse(&["nosuid", "rro", "rslave", "rbind", "size=64m", "newinstance"]).unwrap();
        assert_eq!(options.own.set, libc::MOUNT_ATTR_NOSUID);
        assert_eq!(options.below.set, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(options.propagation, Some((libc::MS_SLAVE, true)));
        assert!(options.recursive);
        assert_eq!(options.data, [("size".into(), Some("64m".into())), ("newinstance".into(), None)]);
    }

    #[test]
    fn the_last_word_counts() {
        let options = Options::parse(&["ro", "rw"]).unwrap();
        assert_eq!((options.own.set, options.own.clear), (0, libc::MOUNT_ATTR_RDONLY));
        let options = Options::parse(&["noatime", "strictatime"]).unwrap();
        assert_eq!((options.own.set, options.own.clear), (libc::MOUNT_ATTR_STRICTATIME, ATIME_MASK));
    }

    #[test]
    fn relatime_is_no_recursive_elatime() {
        let options = Options::parse(&["relatime", "rrelatime"]).unwrap();
        assert_eq!((options.own.clear, options.below.clear), (ATIME_MASK, ATIME_MASK));
    }

    #[test]
    fn what_nobody_understands_is_refused() {
        assert!(Options::parse_bind(&["mode=755"]).is_err());
        assert!(Options::parse(&["idmap=x"]).is_err());
        assert!(Options::parse(&["tmpcopyup"]).is_err());
    }
}
