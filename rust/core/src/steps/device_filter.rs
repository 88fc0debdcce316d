//! Which devices a container may use: on v1 lines in the `devices` group, on v2 a small BPF program.
//!
//! Rules are read in order, as v1's kernel reads them: there is a default for all devices and a list of exceptions. A
//! rule for all devices sets the default and forgets the exceptions; any other rule adds to the exceptions or takes
//! away from them. On v2 the same reading is done here, and the result becomes a program:
//!
//! ```text
//!     w2 = type, w3 = access, w4 = major, w5 = minor      struct bpf_cgroup_dev_ctx
//!     for each exception: if it fits, return the opposite of the default
//!     return the default
//! ```

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

use crate::error::{Attempt, Error, Result};
use crate::sys::bpf::{Instruction, attach_device_filter, load_device_filter};

/// One rule: `major` and `minor` are "any" if missing; `access` is made of `r`, `w` and `m` (mknod).
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    allow: bool,
    #[serde(rename = "type", default = "any")]
    kind: String,
    major: Option<i64>,
    minor: Option<i64>,
    #[serde(default = "all_access")]
    access: String,
}

fn any() -> String {
    "a".into()
}

fn all_access() -> String {
    "rwm".into()
}

/// `cgroup.devices` on v1: each rule is a line of `devices.allow` or `devices.deny`.
pub fn apply_v1(folder: &str, rules: &[Rule]) -> Result<()> {
    let open = |name: &str| {
        let path = format!("{folder}/{name}");
        rustix::fs::open(path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .attempt(|| format!("open {path}"))
    };
    let (allow, deny) = (open("devices.allow")?, open("devices.deny")?);
    for rule in rules {
        let number = |n: Option<i64>| n.filter(|n| *n >= 0).map_or("*".to_owned(), |n| n.to_string());
        let line = format!("{} {}:{} {}", rule.kind, number(rule.major), number(rule.minor), rule.access);
        rustix::io::write(if rule.allow { &allow } else { &deny }, line.as_bytes())
            .attempt(|| format!("{} the devices {line:?}", if rule.allow { "allow" } else { "deny" }))?;
    }
    Ok(())
}

/// `cgroup.devices` on v2: the rules become a program that is attached to the group.
pub fn apply_v2(folder: &str, rules: &[Rule]) -> Result<()> {
    let program = load_device_filter(&compile(&Decision::read(rules)?)).attempt(|| "load the device filter".into())?;
    let group = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .attempt(|| format!("open {folder}"))?;
    attach_device_filter(group.as_fd(), program.as_fd()).attempt(|| format!("attach the device filter to {folder}"))
}

const MKNOD: u32 = 1; // BPF_DEVCG_ACC_MKNOD and so on
const READ: u32 = 2;
const WRITE: u32 = 4;
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    kind: u32,
    major: Option<u32>,
    minor: Option<u32>,
    access: u32,
}

#[derive(Debug, PartialEq, Eq)]
struct Decision {
    allow: bool,
    exceptions: Vec<Exception>,
}

impl Decision {
    /// Read the rules in order. A group begins with everything allowed.
    fn read(rules: &[Rule]) -> Result<Self> {
        let mut decision = Self { allow: true, exceptions: Vec::new() };
        for rule in rules {
            if rule.kind == "a" {
                decision = Self { allow: rule.allow, exceptions: Vec::new() };
            } else {
                decision.change(rule.allow, exception(rule)?);
            }
        }
        Ok(decision)
    }

    fn change(&mut self, allow: bool, change: Exception) {
        let same =
            |known: &Exception| (known.kind, known.major, known.minor) == (change.kind, change.major, change.minor);
        if allow == self.allow {
            self.exceptions.iter_mut().filter(|known| same(known)).for_each(|known| known.access &= !change.access);
            self.exceptions.retain(|known| known.access != 0);
        } else if let Some(known) = self.exceptions.iter_mut().find(|known| same(known)) {
            known.access |= change.access;
        } else {
            self.exceptions.push(change);
        }
    }
}

fn exception(rule: &Rule) -> Result<Exception> {
    let kind = match rule.kind.as_str() {
        "c" => CHARACTER,
        "b" => BLOCK,
        other => return Err(Error::plain(format!("no such type of device: {other:?}"))),
    };
    let access = rule.access.chars().try_fold(0, |bits, letter| match letter {
        'm' => Ok(bits | MKNOD),
        'r' => Ok(bits | READ),
        'w' => Ok(bits | WRITE),
        other => Err(Error::plain(format!("no such access: {other:?}"))),
    })?;
    let number = |n: Option<i64>| match n {
        None | Some(..0) => Ok(None),
        Some(n) => u32::try_from(n).map(Some).map_err(|_| Error::plain(format!("no such device number: {n}"))),
    };
    Ok(Exception { kind, major: number(rule.major)?, minor: number(rule.minor)?, access })
}

// Registers: r0 the answer, r1 the context, r2 type, r3 access, r4 major, r5 minor, r6 scratch.
const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE_REGISTER: u8 = 0xbc; // BPF_ALU | BPF_MOV | BPF_X, 32 bits
const MOVE_CONSTANT: u8 = 0xb4; // BPF_ALU | BPF_MOV | BPF_K, 32 bits
const AND: u8 = 0x54; // BPF_ALU | BPF_AND | BPF_K, 32 bits
const SHIFT_RIGHT: u8 = 0x74; // BPF_ALU | BPF_RSH | BPF_K, 32 bits
const JUMP_NOT_EQUAL: u8 = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const JUMP_EQUAL: u8 = 0x16; // BPF_JMP32 | BPF_JEQ | BPF_K
const EXIT: u8 = 0x95;

fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: to | from << 4, offset, immediate }
}

fn compile(decision: &Decision) -> Vec<Instruction> {
    let mut program = vec![
        op(LOAD_WORD, 2, 1, 0, 0), // access in the upper half, type in the lower
        op(MOVE_REGISTER, 3, 2, 0, 0),
        op(SHIFT_RIGHT, 3, 0, 0, 16),
        op(AND, 2, 0, 0, 0xffff),
        op(LOAD_WORD, 4, 1, 4, 0),
        op(LOAD_WORD, 5, 1, 8, 0),
    ];
    for exception in &decision.exceptions {
        compile_exception(decision.allow, exception, &mut program);
    }
    program.extend([op(MOVE_CONSTANT, 0, 0, 0, decision.allow.into()), op(EXIT, 0, 0, 0, 0)]);
    program
}

/// Each test jumps over the rest of its exception; the distance is known when the block is whole.
fn compile_exception(allow: bool, exception: &Exception, program: &mut Vec<Instruction>) {
    let mut tests = vec![op(JUMP_NOT_EQUAL, 2, 0, 0, exception.kind as i32)];
    tests.extend(exception.major.map(|major| op(JUMP_NOT_EQUAL, 4, 0, 0, major as i32)));
    tests.extend(exception.minor.map(|minor| op(JUMP_NOT_EQUAL, 5, 0, 0, minor as i32)));
    tests.push(op(MOVE_REGISTER, 6, 3, 0, 0));
    if allow {
        tests.push(op(AND, 6, 0, 0, exception.access as i32)); // any of the refused ways
        tests.push(op(JUMP_EQUAL, 6, 0, 0, 0));
    } else {
        tests.push(op(AND, 6, 0, 0, !exception.access as i32)); // nothing beyond the allowed ways
        tests.push(op(JUMP_NOT_EQUAL, 6, 0, 0, 0));
    }
    tests.extend([op(MOVE_CONSTANT, 0, 0, 0, (!allow).into()), op(EXIT, 0, 0, 0, 0)]);
    let length = tests.len();
    for (position, test) in tests.iter_mut().enumerate() {
        if matches!(test.code, JUMP_EQUAL | JUMP_NOT_EQUAL) {
            test.offset = (length - position - 1) as i16;
        }
    }
    program.extend(tests);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allow: bool, kind: &str, major: i64, minor: i64, access: &str) -> Rule {
        Rule { allow, kind: kind.into(), major: Some(major), minor: Some(minor), access: access.into() }
    }

    /// Run a program as the kernel would.
    fn run(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let context = [kind | access << 16, major, minor];
        let mut register = [0u32; 10];
        let mut at = 0;
        loop {
            let i = program[at];
            let (to, from, k) = ((i.registers & 15) as usize, (i.registers >> 4) as usize, i.immediate as u32);
            at += 1;
            match i.code {
                LOAD_WORD => register[to] = context[i.offset as usize / 4],
                MOVE_REGISTER => register[to] = register[from],
                MOVE_CONSTANT => register[to] = k,
                AND => register[to] &= k,
                SHIFT_RIGHT => register[to] >>= k,
                JUMP_EQUAL if register[to] == k => at += i.offset as usize,
                JUMP_NOT_EQUAL if register[to] != k => at += i.offset as usize,
                JUMP_EQUAL | JUMP_NOT_EQUAL => {}
                EXIT => return register[0] == 1,
                code => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn what_is_not_named_is_refused() {
        let rules = [rule(false, "a", -1, -1, "rwm"), rule(true, "c", 1, 3, "rw"), rule(true, "c", 136, -1, "rwm")];
        let program = compile(&Decision::read(&rules).unwrap());
        assert!(run(&program, CHARACTER, READ | WRITE, 1, 3));
        assert!(!run(&program, CHARACTER, READ | MKNOD, 1, 3));
        assert!(!run(&program, BLOCK, READ, 1, 3));
        assert!(!run(&program, CHARACTER, READ, 1, 4));
        assert!(run(&program, CHARACTER, MKNOD, 136, 77));
    }

    #[test]
    fn what_is_named_is_refused_where_all_is_allowed() {
        let rules = [rule(true, "a", -1, -1, "rwm"), rule(false, "c", 10, 229, "rwm"), rule(false, "b", -1, -1, "w")];
        let program = compile(&Decision::read(&rules).unwrap());
        assert!(!run(&program, CHARACTER, READ, 10, 229));
        assert!(run(&program, CHARACTER, READ, 10, 228));
        assert!(run(&program, BLOCK, READ, 8, 0));
        assert!(!run(&program, BLOCK, READ | WRITE, 8, 0));
    }

    #[test]
    fn a_later_rule_takes_back_an_earlier_one() {
        let rules = [rule(false, "a", -1, -1, "rwm"), rule(true, "c", 1, 5, "rwm"), rule(false, "c", 1, 5, "w")];
        let program = compile(&Decision::read(&rules).unwrap());
        assert!(run(&program, CHARACTER, READ, 1, 5));
        assert!(!run(&program, CHARACTER, WRITE, 1, 5));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Decision::read(&[rule(true, "x", 1, 1, "r")]).is_err());
        assert!(Decision::read(&[rule(true, "c", 1, 1, "z")]).is_err());
        assert!(Decision::read(&[rule(true, "c", 1 << 40, 1, "r")]).is_err());
    }
}
