//! Builds `rust/runtime` and `rust/tiny` as static binaries, so that one `pip install .` ships all in one wheel.
//!
//! maturin picks the results up from `OUT_DIR/bin` (see `[tool.maturin] include` in pyproject.toml).
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
    "RUSTFLAGS",
    "OUT_DIR",
    "TARGET",
    "HOST",
    "NUM_JOBS",
    "OPT_LEVEL",
    "DEBUG",
    "PROFILE",
    "RUSTC",
    "RUSTDOC",
    "RUSTC_LINKER",
    "MAKEFLAGS",
    "MFLAGS",
];

/// Each static program, and the variable that names one built beforehand (cross builds, distributors).
const PROGRAMS: [(&str, &str); 2] =
    [("minidock-runtime", "MINIDOCK_RUNTIME_BIN"), ("minidock-tiny", "MINIDOCK_TINY_BIN")];

fn main() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    for watched in ["rust/runtime", "rust/tiny", "rust/core", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(watched).display());
    }
    for (_, variable) in PROGRAMS {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(_, variable)| env::var_os(variable).is_none()).map(|(name, _)| *name).collect();
    let built = if missing.is_empty() {
        PathBuf::new()
    } else {
        build_static(&workspace, &out.join("runtime-target"), &missing)
    };
    for (name, variable) in PROGRAMS {
        let binary = env::var_os(variable).map_or_else(|| built.join(name), PathBuf::from);
        ship(&binary, &out.join("bin"), name);
    }
}

fn ship(binary: &Path, bin: &Path, name: &str) {
    fs::create_dir_all(bin).expect("a folder in OUT_DIR");
    let shipped = bin.join(name);
    if shipped.exists() {
        fs::remove_file(&shipped).expect("the old binary can go"); // it may be running: never write into it
    }
    fs::copy(binary, &shipped).expect("the binary can be copied");
}

/// Builds the packages and returns the folder that holds the binaries.
fn build_static(workspace: &Path, target_dir: &Path, packages: &[&str]) -> PathBuf {
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
        .args(["build", "--locked", "--profile", "runtime", "--target", &triple])
        .args(packages.iter().flat_map(|package| ["-p", *package]))
        .arg("--target-dir")
        .arg(target_dir);
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "building {packages:?} failed: {status}");
    target_dir.join(&triple).join("runtime")
}

fn is_outer(name: &str) -> bool {
    let users = USERS_OWN.contains(&name) || USERS_OWN_PREFIXES.iter().any(|p| name.starts_with(p));
    !users && (OUTER.contains(&name) || OUTER_PREFIXES.iter().any(|p| name.starts_with(p)))
}
