//! Builds `rust/runtime` as a static binary, so that one `pip install .` ships both in one wheel.
//!
//! maturin picks the result up from `OUT_DIR/bin` (see `[tool.maturin] include` in pyproject.toml).
//! The inner cargo has its own target folder: it must not wait for the lock that the outer one holds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Variables that say where cargo finds its registry and certificates: the user's, so they stay.
const USERS_OWN: [&str; 5] =
    ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_CAINFO", "CARGO_TERM_COLOR", "CARGO_INCREMENTAL"];
const USERS_OWN_PREFIXES: [&str; 4] = ["CARGO_REGISTRIES_", "CARGO_NET_", "CARGO_HTTP_", "CARGO_SOURCE_"];

/// Variables that the outer cargo and rustc set for *this* crate, and that would mislead the inner build.
const OUTER_PREFIXES: [&str; 3] = ["CARGO", "DEP_", "PYO3_"];
const OUTER: [&str; 13] = [
    "RUSTFLAGS", "OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "DEBUG", "PROFILE", "RUSTC",
    "RUSTDOC", "RUSTC_LINKER", "MAKEFLAGS", "MFLAGS",
];

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    for watched in ["rust/runtime", "rust/core", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(watched).display());
    }
    println!("cargo:rerun-if-env-changed=MINIDOCK_RUNTIME_BIN");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let built = match env::var_os("MINIDOCK_RUNTIME_BIN") {
        Some(beforehand) => PathBuf::from(beforehand), // cross builds, distributors
        None => build_static(&workspace, &out.join("runtime-target")),
    };
    let bin = out.join("bin");
    fs::create_dir_all(&bin).expect("a folder in OUT_DIR");
    let shipped = bin.join("minidock-runtime");
    if shipped.exists() {
        fs::remove_file(&shipped).expect("the old binary can go"); // it may be running: never write into it
    }
    fs::copy(&built, &shipped).expect("the binary can be copied");
}

fn build_static(workspace: &Path, target_dir: &Path) -> PathBuf {
    let triple = env::var("TARGET").expect("cargo sets TARGET");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"));
    for (name, _) in env::vars_os() {
        if is_outer(&name.to_string_lossy()) {
            cargo.env_remove(&name);
        }
    }
    if let Some(jobserver) = env::var_os("CARGO_MAKEFLAGS") {
        cargo.env("MAKEFLAGS", jobserver); // share the outer build's job slots
    }
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static\u{1f}-Crelocation-model=static")
        .current_dir(workspace)
        .args(["build", "--locked", "--profile", "runtime", "-p", "minidock-runtime", "--target", &triple])
        .arg("--target-dir")
        .arg(target_dir);
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "building minidock-runtime failed: {status}");
    target_dir.join(&triple).join("runtime/minidock-runtime")
}

fn is_outer(name: &str) -> bool {
    let users = USERS_OWN.contains(&name) || USERS_OWN_PREFIXES.iter().any(|p| name.starts_with(p));
    !users && (OUTER.contains(&name) || OUTER_PREFIXES.iter().any(|p| name.starts_with(p)))
}
