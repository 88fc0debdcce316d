//! `minidock-runtime`: the small static program beside every container.
//!
//! ```text
//! minidock-runtime monitor --control FD             what minidock starts; see minidock_core::monitor
//! minidock-runtime hold --control FD                an ordinary user's namespaces; see minidock_core::holder
//! minidock-runtime run --bundle DIR [OPTIONS] ID    an OCI bundle in the foreground
//! minidock-runtime --version
//! docker-init [--] PROGRAM [ARGUMENTS]              under this name: process 1 with --init; see minidock_core::init
//! ```

mod run;

use std::process::ExitCode;

const USAGE: &str = "usage: minidock-runtime monitor --control FD
       minidock-runtime hold --control FD
       minidock-runtime run [--bundle DIR] [--plan FILE | --options FILE] ID
       minidock-runtime --version";

fn main() -> ExitCode {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    if name.ends_with("docker-init") {
        let program = words.strip_prefix(&["--".to_owned()][..]).unwrap_or(&words);
        return ExitCode::from(minidock_core::init::run(program));
    }
    match words.first().map(String::as_str) {
        Some("--version") => {
            println!("minidock-runtime {}", minidock_core::VERSION);
            ExitCode::SUCCESS
        }
        Some("run") => run::main(&words[1..]),
        Some("monitor") => served(&words[1..], minidock_core::monitor::main),
        Some("hold") => served(&words[1..], minidock_core::holder::main),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// A program at the end of a control socket.
fn served(words: &[String], program: fn(i32) -> i32) -> ExitCode {
    match words {
        [flag, number] if flag == "--control" => match number.parse() {
            Ok(number) => ExitCode::from(program(number) as u8),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}
