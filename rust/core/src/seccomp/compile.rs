//! The compiler: rules → answers by number → instructions.

use std::collections::BTreeMap;

use super::Filter;
use super::arch::{Arch, X32_BIT};
use super::profile::{self, Compare, Condition, Profile, Rule};
use crate::error::{Error, Result};
use crate::sys::seccomp::Instruction;

// offsets in struct seccomp_data
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const LONGEST_PROGRAM: usize = 4096; // BPF_MAXINSNS
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Conditions that must all hold, and the action then.
type Conditional = (Vec<Condition>, u32);

/// What is answered to one system call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    conditional: Vec<Conditional>,
    otherwise: u32,
}

/// Compile a profile.
pub fn compile(profile: &Profile) -> Result<Filter> {
    if !profile.listener_path.is_empty() {
        return Err(Error::plain("a seccomp agent (listenerPath) is not supported"));
    }
    let default = profile::action(&profile.default_action, profile.default_errno_ret)?;
    let rules = profile.syscalls.as_deref().unwrap_or(&[]);
    let actions: Vec<u32> =
        rules.iter().map(|rule| profile::action(&rule.action, rule.errno_ret)).collect::<Result<_>>()?;
    for condition in rules.iter().flat_map(|rule| rule.args.iter().flatten()) {
        if condition.index > 5 {
            return Err(Error::plain(format!("a system call has no argument {}", condition.index)));
        }
    }
    let (archs, x32) = Arch::parse(profile.architectures.as_deref().unwrap_or(&[]))?;
    let mut program = vec![load(ARCHITECTURE)];
    for arch in archs {
        let mut block = vec![load(NUMBER)];
        if arch == Arch::X86_64 {
            // x32 programs call by other numbers: without a table for them, none of their calls is ever allowed
            let refused = if x32 && default >> 16 != libc::SECCOMP_RET_ALLOW >> 16 { default } else { KILL };
            block.extend([test(IF_AT_LEAST, X32_BIT, 0, 1), ret(refused)]);
        }
        block.extend(search(&ranges(&answers(arch, rules, &actions, default), arch, default)));
        program.extend(skip_unless(IF_EQUAL, arch.audit(), block.len()));
        program.extend(block);
    }
    program.push(ret(KILL));
    if program.len() > LONGEST_PROGRAM {
        return Err(Error::plain(format!("the filter has {} instructions, more than the kernel takes", program.len())));
    }
    Ok(Filter { program, flags: profile::flags(profile.flags.as_deref().unwrap_or(&[]))? })
}

/// Collect the rules by number. Of several rules without conditions for one call, the first counts.
fn answers(arch: Arch, rules: &[Rule], actions: &[u32], default: u32) -> BTreeMap<u32, Answer> {
    let mut answers: BTreeMap<u32, (Vec<Conditional>, Option<u32>)> = BTreeMap::new();
    for (rule, &action) in rules.iter().zip(actions) {
        for number in rule.names.iter().filter_map(|name| arch.number(name)) {
            let (conditional, otherwise) = answers.entry(number).or_default();
            let conditions = rule.args.as_deref().unwrap_or(&[]);
            if conditions.is_empty() {
                otherwise.get_or_insert(action);
            } else if same_argument_twice(conditions) {
                conditional.extend(conditions.iter().map(|condition| (vec![*condition], action)));
            } else {
                conditional.push((conditions.to_vec(), action));
            }
        }
    }
    let whole =
        |(conditional, otherwise): (_, Option<u32>)| Answer { conditional, otherwise: otherwise.unwrap_or(default) };
    answers.into_iter().map(|(number, answer)| (number, whole(answer))).collect()
}

fn same_argument_twice(conditions: &[Condition]) -> bool {
    let mut seen = 0u8;
    conditions.iter().any(|condition| {
        let bit = 1 << condition.index;
        let twice = seen & bit != 0;
        seen |= bit;
        twice
    })
}

/// Cut all numbers into ranges with the same answer: the first number of each, ascending from 0.
fn ranges(answers: &BTreeMap<u32, Answer>, arch: Arch, default: u32) -> Vec<(u32, Answer)> {
    let by_default = Answer { conditional: Vec::new(), otherwise: default };
    let mut ranges = vec![(0, by_default.clone())];
    let mut push = |number: u32, answer: &Answer| match ranges.last_mut() {
        Some((_, last)) if last == answer => {}
        Some((first, last)) if *first == number => *last = answer.clone(),
        _ => ranges.push((number, answer.clone())),
    };
    for (&number, answer) in answers {
        push(number, answer);
        if !answers.contains_key(&(number + 1)) {
            push(number + 1, &by_default);
        }
    }
    let newest = answers.keys().copied().filter(|number| arch != Arch::Arm || *number < 0x000f_0000).max();
    let is_error = default & 0xffff_0000 == libc::SECCOMP_RET_ERRNO;
    if let Some(newest) = newest.filter(|_| is_error && default != ENOSYS && arch != Arch::Arm) {
        push(newest + 1, &Answer { conditional: Vec::new(), otherwise: ENOSYS });
    }
    ranges
}

/// Binary search: the number is in the accumulator.
fn search(ranges: &[(u32, Answer)]) -> Vec<Instruction> {
    match ranges {
        [] => vec![ret(KILL)],
        [(_, answer)] => reply(answer),
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let (below, above) = (search(left), search(right));
            let mut program = skip_if(IF_AT_LEAST, right[0].0, below.len());
            program.extend(below);
            program.extend(above);
            program
        }
    }
}

fn reply(answer: &Answer) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (conditions, action) in &answer.conditional {
        let mut rule = vec![ret(*action)];
        for condition in conditions.iter().rev() {
            let mut whole = condition_test(condition, rule.len());
            whole.append(&mut rule);
            rule = whole;
        }
        program.append(&mut rule);
    }
    program.push(ret(answer.otherwise));
    program
}

/// Test one 64-bit argument in two halves; if it does not hold, skip `rest` more instructions behind the test.
fn condition_test(condition: &Condition, rest: usize) -> Vec<Instruction> {
    let low = ARGUMENTS + 8 * condition.index;
    let (low, high) = if cfg!(target_endian = "big") { (low + 4, low) } else { (low, low + 4) };
    let halves = |value: u64| ((value >> 32) as u32, value as u32);
    let (vh, vl) = halves(condition.value);
    // Distances are from the instruction that jumps; FAIL and HOLD are filled in when the length is known.
    match condition.op {
        Compare::Equal => place(
            &[(load(high), Go::On), (eq(vh), Go::UnlessFail), (load(low), Go::On), (eq(vl), Go::UnlessFail)],
            rest,
        ),
        Compare::NotEqual => {
            place(&[(load(high), Go::On), (eq(vh), Go::UnlessHold), (load(low), Go::On), (eq(vl), Go::IfFail)], rest)
        }
        Compare::Greater | Compare::GreaterOrEqual => {
            let code = if condition.op == Compare::Greater { IF_GREATER } else { IF_AT_LEAST };
            place(
                &[
                    (load(high), Go::On),
                    (test(IF_GREATER, vh, 0, 0), Go::IfHold),
                    (eq(vh), Go::UnlessFail),
                    (load(low), Go::On),
                    (test(code, vl, 0, 0), Go::UnlessFail),
                ],
                rest,
            )
        }
        Compare::Less | Compare::LessOrEqual => {
            let code = if condition.op == Compare::Less { IF_AT_LEAST } else { IF_GREATER };
            place(
                &[
                    (load(high), Go::On),
                    (test(IF_GREATER, vh, 0, 0), Go::IfFail),
                    (eq(vh), Go::UnlessHold),
                    (load(low), Go::On),
                    (test(code, vl, 0, 0), Go::IfFail),
                ],
                rest,
            )
        }
        Compare::MaskedEqual => {
            let (wh, wl) = halves(condition.value_two);
            let mask = |k| Instruction { code: AND, jt: 0, jf: 0, k };
            place(
                &[
                    (load(high), Go::On),
                    (mask(vh), Go::On),
                    (eq(wh), Go::UnlessFail),
                    (load(low), Go::On),
                    (mask(vl), Go::On),
                    (eq(wl), Go::UnlessFail),
                ],
                rest,
            )
        }
    }
}

/// Where a test leads: on, to the end of the whole condition (it holds), or past the rest of the rule (it fails).
#[derive(Clone, Copy)]
enum Go {
    On,
    IfHold,
    UnlessHold,
    IfFail,
    UnlessFail,
}

fn place(tests: &[(Instruction, Go)], rest: usize) -> Vec<Instruction> {
    let end = tests.len();
    tests
        .iter()
        .enumerate()
        .map(|(position, (instruction, go))| {
            let hold = (end - position - 1) as u8;
            let fail = (end - position - 1 + rest) as u8; // six conditions and a return: always below 256
            let (jt, jf) = match go {
                Go::On => (0, 0),
                Go::IfHold => (hold, 0),
                Go::UnlessHold => (0, hold),
                Go::IfFail => (fail, 0),
                Go::UnlessFail => (0, fail),
            };
            Instruction { jt, jf, ..*instruction }
        })
        .collect()
}

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, jt: 0, jf: 0, k: offset }
}

fn ret(action: u32) -> Instruction {
    Instruction { code: RETURN, jt: 0, jf: 0, k: action }
}

fn eq(k: u32) -> Instruction {
    test(IF_EQUAL, k, 0, 0)
}

fn test(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn skip_if(code: u16, k: u32, distance: usize) -> Vec<Instruction> {
    match u8::try_from(distance) {
        Ok(jt) => vec![test(code, k, jt, 0)],
        Err(_) => vec![test(code, k, 0, 1), Instruction { code: JUMP, jt: 0, jf: 0, k: distance as u32 }],
    }
}

fn skip_unless(code: u16, k: u32, distance: usize) -> Vec<Instruction> {
    match u8::try_from(distance) {
        Ok(jf) => vec![test(code, k, 0, jf)],
        Err(_) => vec![test(code, k, 1, 0), Instruction { code: JUMP, jt: 0, jf: 0, k: distance as u32 }],
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
