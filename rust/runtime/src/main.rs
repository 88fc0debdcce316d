//! `minidock-runtime`: the small static program beside every container.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--version") => {
            println!("minidock-runtime {}", minidock_core::VERSION);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: minidock-runtime --version");
            ExitCode::from(2)
        }
    }
}
