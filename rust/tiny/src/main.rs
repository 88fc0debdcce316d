//! `tiny`: a dozen commands in one static program, so that minidock has an image to run even where nothing
//! can be downloaded and nothing can be copied from the host.
//!
//! The image holds this file once, as `/bin/tiny`, and one symbolic link per command. The program looks at the name
//! that it was started by (`argv[0]`), or, started as `tiny`, at its first argument: a *multicall* program, like
//! busybox. Every command shows one thing that a container changes: who am I (`id`), what is my name (`hostname`), what
//! runs beside me (`ps`), what do I see (`ls`, `cat`, `mount`). There is no shell on purpose: this fits on a few pages.
//!
//! Exit codes: 0 done, 1 it failed, 2 wrong use; for `env COMMAND` 126 and 127 as in a shell.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

type Done = Result<u8, String>;
type Applet = fn(&[OsString]) -> Done;

/// Every command, in the order of the alphabet.
const APPLETS: [(&str, Applet); 14] = [
    ("cat", cat),
    ("echo", echo),
    ("env", env),
    ("false", |_| Ok(1)),
    ("hostname", hostname),
    ("id", id),
    ("kill", kill),
    ("ls", ls),
    ("mount", mount),
    ("ps", ps),
    ("pwd", pwd),
    ("sleep", sleep),
    ("touch", touch),
    ("true", |_| Ok(0)),
];

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let mut name = applet_name(words.first());
    if name == "tiny" || name == "minidock-tiny" {
        words.drain(..1);
        name = applet_name(words.first());
    }
    if name.is_empty() || name == "--list" {
        let names: String = APPLETS.iter().map(|(name, _)| format!("{name}\n")).collect();
        return finish("tiny", print(names.as_bytes()));
    }
    match APPLETS.iter().find(|(known, _)| *known == name) {
        Some((name, applet)) => finish(name, applet(&words[1..])),
        None => {
            eprintln!("tiny: {name}: no such command; tiny --list names all");
            ExitCode::from(127)
        }
    }
}

fn applet_name(word: Option<&OsString>) -> String {
    let name = word.and_then(|word| Path::new(word).file_name());
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn finish(name: &str, done: Done) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(reason) => {
            eprintln!("{name}: {reason}");
            ExitCode::from(if reason.starts_with("usage: ") { 2 } else { 1 })
        }
    }
}

/// Writes to stdout; a closed pipe is an error here, never a panic as with `println!`.
fn print(bytes: &[u8]) -> Done {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| format!("write error: {e}"))?;
    Ok(0)
}

fn failed(what: impl AsRef<Path>) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", what.as_ref().display())
}

fn text(word: &OsString) -> Result<&str, String> {
    word.to_str().ok_or_else(|| format!("{}: not valid UTF-8", word.to_string_lossy()))
}

fn echo(words: &[OsString]) -> Done {
    let (words, end) = match words {
        [first, rest @ ..] if first == "-n" => (rest, ""),
        all => (all, "\n"),
    };
    let mut line = words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>().join(&b' ');
    line.extend(end.as_bytes());
    print(&line)
}

fn cat(words: &[OsString]) -> Done {
    let mut out = io::stdout().lock();
    let standard_input = [OsString::from("-")];
    for word in if words.is_empty() { &standard_input } else { words } {
        let copied = if word == "-" {
            io::copy(&mut io::stdin().lock(), &mut out)
        } else {
            fs::File::open(word).and_then(|mut file| io::copy(&mut file, &mut out))
        };
        copied.map_err(failed(word))?;
    }
    out.flush().map_err(failed("stdout"))?;
    Ok(0)
}

/// `env` prints the environment; `env NAME=VALUE… COMMAND…` becomes the command, with these variables too.
fn env(words: &[OsString]) -> Done {
    let is_assignment = |word: &OsString| word.as_bytes().contains(&b'=');
    let count = words.iter().take_while(|word| is_assignment(word)).count();
    let extra = words[..count].iter().map(|word| {
        let at = word.as_bytes().iter().position(|byte| *byte == b'=').unwrap_or(0);
        let (name, value) = word.as_bytes().split_at(at);
        (std::ffi::OsStr::from_bytes(name).to_owned(), std::ffi::OsStr::from_bytes(&value[1..]).to_owned())
    });
    if let [command, arguments @ ..] = &words[count..] {
        let error = Command::new(command).args(arguments).envs(extra).exec(); // it returns only if it failed
        eprintln!("env: {}: {error}", command.to_string_lossy());
        return Ok(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 });
    }
    let mut lines = Vec::new();
    for (name, value) in std::env::vars_os().chain(extra) {
        lines.extend([name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
    }
    print(&lines)
}

fn id(_: &[OsString]) -> Done {
    use rustix::process::{getegid, geteuid, getgroups};
    let groups = getgroups().map_err(|e| e.to_string())?;
    let groups: Vec<String> = groups.iter().map(|group| group.as_raw().to_string()).collect();
    print(format!("uid={} gid={} groups={}\n", geteuid().as_raw(), getegid().as_raw(), groups.join(",")).as_bytes())
}

/// `hostname` prints the name of this UTS namespace; `hostname NAME` changes it.
fn hostname(words: &[OsString]) -> Done {
    match words {
        [] => print(&[rustix::system::uname().nodename().to_bytes(), b"\n"].concat()),
        [name] => {
            rustix::system::sethostname(name.as_bytes()).map_err(|e| format!("{}: {e}", name.to_string_lossy()))?;
            Ok(0)
        }
        _ => Err("usage: hostname [NAME]".into()),
    }
}

/// `kill [-SIGNAL] PID…`, with the signal as a number or one of a few names; TERM is the default.
fn kill(words: &[OsString]) -> Done {
    use rustix::process::{Pid, Signal, kill_process};
    let names: [(&str, Signal); 8] = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("KILL", Signal::KILL),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("TERM", Signal::TERM),
        ("CONT", Signal::CONT),
        ("STOP", Signal::STOP),
    ];
    let (wanted, pids) = match words {
        [first, rest @ ..] if first.as_bytes().starts_with(b"-") => (&text(first)?[1..], rest),
        all => ("TERM", all),
    };
    let wanted = wanted.strip_prefix("SIG").unwrap_or(wanted);
    let by_number = |signal: &Signal| wanted.parse() == Ok(signal.as_raw());
    let found = names.into_iter().find(|(name, signal)| *name == wanted || by_number(signal));
    let (_, signal) = found.ok_or_else(|| format!("unknown signal {wanted}"))?;
    if pids.is_empty() {
        return Err("usage: kill [-SIGNAL] PID...".into());
    }
    for word in pids {
        let pid = text(word)?.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| format!("{}: not a process id", word.to_string_lossy()))?;
        kill_process(pid, signal).map_err(|e| format!("{}: {e}", word.to_string_lossy()))?;
    }
    Ok(0)
}

/// `ls [-l] [PATH…]`, sorted, hidden names too; `-l` adds type, mode, owner, group, size, and where a link points.
fn ls(words: &[OsString]) -> Done {
    let (long, paths) = match words {
        [first, rest @ ..] if first == "-l" => (true, rest),
        all => (false, all),
    };
    let here = [OsString::from(".")];
    let mut out = Vec::new();
    for path in if paths.is_empty() { &here } else { paths } {
        let path = Path::new(path);
        if !path.is_dir() {
            describe(path, path.as_os_str().as_bytes(), long, &mut out)?;
            continue;
        }
        let read: io::Result<Vec<_>> = fs::read_dir(path).and_then(|entries| entries.collect());
        let mut names: Vec<_> = read.map_err(failed(path))?.iter().map(fs::DirEntry::file_name).collect();
        names.sort();
        for name in names {
            describe(&path.join(&name), name.as_bytes(), long, &mut out)?;
        }
    }
    print(&out)
}

fn describe(path: &Path, name: &[u8], long: bool, out: &mut Vec<u8>) -> Result<(), String> {
    let meta = path.symlink_metadata().map_err(failed(path))?;
    let kind = meta.file_type();
    if long {
        let letter = match () {
            () if kind.is_dir() => 'd',
            () if kind.is_symlink() => 'l',
            () if kind.is_char_device() => 'c',
            () if kind.is_block_device() => 'b',
            () if kind.is_fifo() => 'p',
            () if kind.is_socket() => 's',
            () => '-',
        };
        let (mode, uid, gid, size) = (meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.size());
        out.extend(format!("{letter} {mode:04o} {uid:>5} {gid:>5} {size:>10} ").as_bytes());
    }
    out.extend(name);
    if long && kind.is_symlink() {
        let target = fs::read_link(path).map_err(failed(path))?;
        out.extend([b" -> ", target.as_os_str().as_bytes()].concat());
    }
    out.push(b'\n');
    Ok(())
}

/// `mount` lists this mount namespace; `mount -t TYPE SOURCE TARGET` mounts a file system.
fn mount(words: &[OsString]) -> Done {
    use rustix::mount::{MountFlags, mount};
    match words {
        [] => cat(&["/proc/self/mounts".into()]),
        [flag, kind, source, target] if flag == "-t" => {
            let done = mount(source, target, kind, MountFlags::empty(), None);
            done.map_err(|e| format!("{}: {e}", target.to_string_lossy()))?;
            Ok(0)
        }
        _ => Err("usage: mount [-t TYPE SOURCE TARGET]".into()),
    }
}

/// `ps` lists the processes that this /proc shows: those of the PID namespace it was mounted in.
fn ps(_: &[OsString]) -> Done {
    let entries = fs::read_dir("/proc").map_err(failed("/proc"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pids: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let mut table = String::from("  PID   UID COMMAND\n");
    for pid in pids {
        let folder = Path::new("/proc").join(pid.to_string());
        let (Ok(meta), Ok(line)) = (folder.metadata(), fs::read(folder.join("cmdline"))) else {
            continue; // it ended while we looked
        };
        let mut command = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
        if command.is_empty() {
            command = format!("[{}]", fs::read_to_string(folder.join("comm")).unwrap_or_default().trim_end());
        }
        table += &format!("{pid:>5} {:>5} {command}\n", meta.uid());
    }
    print(table.as_bytes())
}

fn pwd(_: &[OsString]) -> Done {
    let here = std::env::current_dir().map_err(|e| e.to_string())?;
    print(&[here.as_os_str().as_bytes(), b"\n"].concat())
}

/// `sleep SECONDS`, fractions too.
fn sleep(words: &[OsString]) -> Done {
    let [word] = words else { return Err("usage: sleep SECONDS".into()) };
    let seconds = text(word)?.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    std::thread::sleep(seconds.ok_or_else(|| format!("invalid time interval {}", word.to_string_lossy()))?);
    Ok(0)
}

/// `touch FILE…` makes files, to see where they land.
fn touch(words: &[OsString]) -> Done {
    for word in words {
        let file = fs::OpenOptions::new().create(true).append(true).open(word).map_err(failed(word))?;
        file.set_modified(std::time::SystemTime::now()).map_err(failed(word))?;
    }
    Ok(0)
}
