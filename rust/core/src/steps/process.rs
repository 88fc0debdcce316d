//! What the process itself becomes: its limits, its folder, its user, and at last its program.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Gid, Mode, OFlags, Uid, fstat, openat};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::caps::Sets;
use super::root::{self, Kind};
use super::{LimitArgs, UserArgs};
use crate::error::{Attempt, Error, Result};
use crate::sys;
use crate::sys::exec::{CStringList, execve};

/// Write `text` to the file `path` of the host's /proc, held since before the root was changed.
pub fn write_proc(proc: BorrowedFd<'_>, path: &str, text: &str) -> Result<()> {
    let file =
        openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).attempt(|| format!("open /proc/{path}"))?;
    rustix::io::write(&file, text.as_bytes()).attempt(|| format!("write {text:?} to /proc/{path}"))?;
    Ok(())
}

/// `sysctl.set`: `name` with dots or slashes, below /proc/sys.
pub fn sysctl(proc: BorrowedFd<'_>, name: &str, value: &str) -> Result<()> {
    let path = if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::plain(format!("no such kernel parameter: {name:?}")));
    }
    write_proc(proc, &format!("sys/{path}"), value)
}

/// `process.limits`.
pub fn limits(rlimits: &[LimitArgs]) -> Result<()> {
    for limit in rlimits {
        let value = |number: i128| u64::try_from(number).ok().filter(|number| *number != u64::MAX);
        let rlimit = Rlimit { current: value(limit.soft), maximum: value(limit.hard) };
        setrlimit(resource(&limit.kind)?, rlimit)
            .attempt(|| format!("set {} to {}:{}", limit.kind, limit.soft, limit.hard))?;
    }
    Ok(())
}

fn resource(name: &str) -> Result<Resource> {
    Ok(match name.strip_prefix("RLIMIT_").unwrap_or("") {
        "AS" => Resource::As,
        "CORE" => Resource::Core,
        "CPU" => Resource::Cpu,
        "DATA" => Resource::Data,
        "FSIZE" => Resource::Fsize,
        "LOCKS" => Resource::Locks,
        "MEMLOCK" => Resource::Memlock,
        "MSGQUEUE" => Resource::Msgqueue,
        "NICE" => Resource::Nice,
        "NOFILE" => Resource::Nofile,
        "NPROC" => Resource::Nproc,
        "RSS" => Resource::Rss,
        "RTPRIO" => Resource::Rtprio,
        "RTTIME" => Resource::Rttime,
        "SIGPENDING" => Resource::Sigpending,
        "STACK" => Resource::Stack,
        _ => return Err(Error::plain(format!("no such resource limit: {name:?}"))),
    })
}

/// `process.cwd`: enter the folder, made if missing. It must be inside the root: a path such as /proc/self/fd/7 that
/// leads out of it is refused (CVE-2024-21626).
pub fn enter(cwd: &str) -> Result<()> {
    let root = root::open("/")?;
    let folder = root::make(root.as_fd(), cwd, Kind::Folder)?;
    rustix::process::fchdir(&folder).attempt(|| format!("enter {cwd}"))?;
    let seen = rustix::process::getcwd(Vec::new()).attempt(|| format!("{cwd} is not inside the root"))?;
    if seen.as_bytes().first() == Some(&b'/') {
        return Ok(());
    }
    Err(Error::plain(format!("{cwd} is not inside the root")))
}

/// `process.user`, with the capabilities of the step before.
pub fn become_user(args: &UserArgs, capabilities: Option<&Sets>, proc: BorrowedFd<'_>) -> Result<()> {
    own_streams(args.uid);
    let groups: Vec<Gid> = args.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    match set_thread_groups(&groups) {
        Err(Errno::PERM) if groups.is_empty() && groups_are_denied(proc) => {}
        other => other.attempt(|| format!("set the groups {:?}", args.groups))?,
    }
    let (uid, gid) = (Some(Uid::from_raw(args.uid)), Some(Gid::from_raw(args.gid)));
    set_thread_res_gid(gid, gid, gid).attempt(|| format!("become group {}", args.gid))?;
    set_thread_res_uid(uid, uid, uid).attempt(|| format!("become user {}", args.uid))?;
    if let Some(sets) = capabilities {
        sets.put_on()?;
    }
    rustix::process::umask(Mode::from_raw_mode(args.umask.unwrap_or(0o022)));
    Ok(())
}

/// In a user namespace made by an ordinary user, setgroups(2) is denied for good (user_namespaces(7)).
fn groups_are_denied(proc: BorrowedFd<'_>) -> bool {
    let mut text = [0u8; 8];
    let read = openat(proc, "self/setgroups", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut text));
    read.is_ok_and(|length| text[..length].starts_with(b"deny"))
}

/// Pipes and terminals of the container belong to its user, so that it can open /dev/stdout by name. That is a
/// courtesy: where the kernel refuses (an identity without a mapping), the streams still work.
fn own_streams(uid: u32) {
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    for stream in streams {
        let Ok(stat) = fstat(stream) else { continue };
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        let terminal = kind == rustix::fs::FileType::CharacterDevice && rustix::termios::isatty(stream);
        if (kind == rustix::fs::FileType::Fifo || terminal) && stat.st_uid != uid {
            let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(uid)), None);
        }
    }
}

/// A program that is ready to be executed: everything that can fail for want of memory or sense is behind it.
pub struct Program {
    candidates: Vec<CString>,
    argv: CStringList,
    env: CStringList,
}

impl Program {
    /// Prepare. `argv[0]` without a slash is looked for in the folders of `PATH` in `env`.
    pub fn new(argv: &[String], env: &[String]) -> Result<Self> {
        let name = argv.first().ok_or_else(|| Error::plain("no program is named"))?;
        let candidates = candidates(name, env)
            .into_iter()
            .map(|path| CString::new(path).map_err(|_| Error::plain("the program's name holds a zero byte")))
            .collect::<Result<_>>()?;
        let list = |strings| CStringList::new(strings).ok_or_else(|| Error::plain("an argument holds a zero byte"));
        Ok(Self { candidates, argv: list(argv)?, env: list(env)? })
    }

    /// Execute it, and die with `parent`; returns only the reason why not.
    pub fn execute(&self, parent: &OwnedFd) -> Error {
        sys::signals::default_broken_pipes();
        sys::signals::block_only(&[]);
        if let Err(errno) = die_with(parent) {
            return Error::system(errno, "tie the process to its monitor");
        }
        let mut worst = Errno::NOENT;
        for path in &self.candidates {
            match execve(path, &self.argv, &self.env) {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => worst = Errno::ACCESS, // there may still be another one further on
                errno => return Error::system(errno, format!("execute {}", path.to_string_lossy())),
            }
        }
        Error::system(worst, "execute the program")
    }
}

/// Have the kernel kill this process when its monitor dies: nobody would be left to keep its output and its end.
fn die_with(parent: &OwnedFd) -> std::result::Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut ends = [rustix::event::PollFd::new(parent, rustix::event::PollFlags::empty())];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut ends, Some(&now))? {
        0 => Ok(()),
        _ => Err(Errno::SRCH), // it died before the line above
    }
}

fn candidates(name: &str, env: &[String]) -> Vec<String> {
    if name.contains('/') {
        return vec![name.to_owned()];
    }
    let path = env.iter().find_map(|line| line.strip_prefix("PATH=")).unwrap_or("");
    let folders = path.split(':').filter(|_| !path.is_empty() && !name.is_empty());
    folders.map(|folder| format!("{}/{name}", if folder.is_empty() { "." } else { folder })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_slash_is_looked_for_in_the_path() {
        let env = ["A=B".to_owned(), "PATH=/usr/bin::/bin".to_owned()];
        assert_eq!(candidates("sh", &env), ["/usr/bin/sh", "./sh", "/bin/sh"]);
        assert_eq!(candidates("./sh", &env), ["./sh"]);
        assert!(candidates("sh", &[]).is_empty());
        assert!(candidates("", &env).is_empty());
    }

    #[test]
    fn every_limit_has_its_name() {
        assert!(resource("RLIMIT_NOFILE").is_ok());
        assert!(resource("NOFILE").is_err());
        assert!(resource("RLIMIT_HAPPINESS").is_err());
    }

    #[test]
    fn kernel_parameters_stay_below_proc_sys() {
        let proc = root::open("/proc").unwrap();
        assert!(sysctl(proc.as_fd(), "../self/oom_score_adj", "0").is_err());
        assert!(sysctl(proc.as_fd(), "net..x", "0").is_err());
    }
}
