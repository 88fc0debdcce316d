//! `minidock-runtime`: the small static program beside every container.
//!
//! ```text
//! minidock-runtime monitor --control FD             what minidock starts; see minidock_core::monitor
//! minidock-runtime run --bundle DIR [OPTIONS] ID    an OCI bundle in the foreground
//! minidock-runtime --version
//! ```

mod run;

use std::process::ExitCode;

const USAGE: &str = "usage: minidock-runtime monitor --control FD
       minidock-runtime run [--bundle DIR] [--plan FILE | --options FILE] ID
       minidock-runtime --version";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--version") => {
            println!("minidock-runtime {}", minidock_core::VERSION);
            ExitCode::SUCCESS
        }
        Some("run") => run::main(&words[1..]),
        Some("monitor") => monitor(&words[1..]),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn monitor(words: &[String]) -> ExitCode {
    match words {
        [flag, number] if flag == "--control" => match number.parse() {
            Ok(number) => ExitCode::from(minidock_core::monitor::main(number) as u8),
            Err(_) => usage(),
        },
        _ => usage(),
    }
}
