//! Filters are run by a small machine, as the kernel runs them, and asked about calls.

use super::*;

const NATIVE: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const ERRNO: u32 = libc::SECCOMP_RET_ERRNO;

fn filter(json: &str) -> Vec<Instruction> {
    compile(&serde_json::from_str::<Profile>(json).unwrap()).unwrap().program
}

fn ask(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let word = |offset: u32| match offset {
        NUMBER => number,
        ARCHITECTURE => arch,
        _ => {
            let argument = arguments[(offset - ARGUMENTS) as usize / 8];
            if offset % 8 == 0 { argument as u32 } else { (argument >> 32) as u32 }
        }
    };
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let i = program[at];
        at += 1;
        let mut jump = |holds: bool| at += if holds { i.jt } else { i.jf } as usize;
        match i.code {
            LOAD => accumulator = word(i.k),
            AND => accumulator &= i.k,
            JUMP => at += i.k as usize,
            IF_EQUAL => jump(accumulator == i.k),
            IF_GREATER => jump(accumulator > i.k),
            IF_AT_LEAST => jump(accumulator >= i.k),
            RETURN => return i.k,
            code => panic!("{code:#x}"),
        }
    }
}

fn native(program: &[Instruction], name: &str, arguments: [u64; 6]) -> u32 {
    ask(program, NATIVE, Arch::X86_64.number(name).unwrap(), arguments)
}

#[test]
fn what_is_not_named_gets_the_default() {
    let program = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":13,"architectures":["SCMP_ARCH_X86_64"],
            "syscalls":[{"names":["read","write","no_such_call","futex_waitv"],"action":"SCMP_ACT_ALLOW"},
                        {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#,
    );
    assert_eq!(native(&program, "read", [0; 6]), ALLOW);
    assert_eq!(native(&program, "mount", [0; 6]), ERRNO | 13);
    assert_eq!(native(&program, "clone3", [0; 6]), ERRNO | 38);
}

#[test]
fn a_call_newer_than_the_profile_seems_not_to_exist() {
    let program = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","openat2"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    assert_eq!(native(&program, "openat2", [0; 6]), ALLOW);
    assert_eq!(ask(&program, NATIVE, 438, [0; 6]), ERRNO | 38);
    assert_eq!(ask(&program, NATIVE, 400, [0; 6]), ERRNO | 1);
}

#[test]
fn other_architectures_are_killed() {
    let one = filter(r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#);
    assert_eq!(ask(&one, I386, 3, [0; 6]), KILL);
    assert_eq!(ask(&one, NATIVE, X32_BIT | 1, [0; 6]), KILL);
    let both = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],
            "syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    assert_eq!(ask(&both, I386, 3, [0; 6]), ALLOW);
    assert_eq!(ask(&both, I386, 0, [0; 6]), ERRNO | 1);
    assert_eq!(ask(&both, NATIVE, 0, [0; 6]), ALLOW);
    assert_eq!(ask(&both, NATIVE, X32_BIT, [0; 6]), ERRNO | 1);
    assert_eq!(ask(&both, 0xc000_00b7, 63, [0; 6]), KILL);
}

#[test]
fn conditions_of_a_rule_must_all_hold_and_rules_are_alternatives() {
    let program = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},
                                                                  {"index":1,"value":2,"op":"SCMP_CMP_EQ"}]},
            {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":10,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    assert_eq!(native(&program, "socket", [1, 2, 0, 0, 0, 0]), ALLOW);
    assert_eq!(native(&program, "socket", [1, 3, 0, 0, 0, 0]), ERRNO | 1);
    assert_eq!(native(&program, "socket", [10, 3, 0, 0, 0, 0]), ALLOW);
    assert_eq!(native(&program, "socket", [1 << 32 | 10, 3, 0, 0, 0, 0]), ERRNO | 1);
}

#[test]
fn two_conditions_on_one_argument_are_alternatives() {
    let program = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"},
                                                                       {"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    assert_eq!(native(&program, "personality", [0; 6]), ALLOW);
    assert_eq!(native(&program, "personality", [8, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(native(&program, "personality", [4, 0, 0, 0, 0, 0]), ERRNO | 1);
}

#[test]
fn every_comparison_agrees_with_arithmetic() {
    let values = [0, 1, 5, u32::MAX as u64, 1 << 32, 5 << 32, (5 << 32) + 4, (5 << 32) + 5, (5 << 32) + 6, u64::MAX];
    type Compare = fn(u64, u64) -> bool;
    let operations: [(&str, Compare); 6] = [
        ("NE", |a, b| a != b),
        ("LT", |a, b| a < b),
        ("LE", |a, b| a <= b),
        ("EQ", |a, b| a == b),
        ("GE", |a, b| a >= b),
        ("GT", |a, b| a > b),
    ];
    for (word, operation) in operations {
        for value in values {
            let program = filter(&format!(
                r#"{{"defaultAction":"SCMP_ACT_TRAP","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",
                    "args":[{{"index":3,"value":{value},"op":"SCMP_CMP_{word}"}}]}}]}}"#
            ));
            for argument in values {
                let allowed = native(&program, "read", [0, 0, 0, argument, 0, 0]) == ALLOW;
                assert_eq!(allowed, operation(argument, value), "{argument} {word} {value}");
            }
        }
    }
}

#[test]
fn a_mask_looks_at_some_bits_only() {
    let program = filter(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ALLOW",
            "args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}"#,
    );
    assert_eq!(native(&program, "clone", [17, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(native(&program, "clone", [0x1000_0000, 0, 0, 0, 0, 0]), ERRNO | 1);
}

#[test]
fn long_tables_are_reached_by_long_jumps() {
    let rules: Vec<String> = (0..430)
        .filter_map(|number| syscalls::x86_64::Sysno::new(number).map(|call| call.name()))
        .map(|name| {
            format!(
                r#"{{"names":["{name}"],"action":"SCMP_ACT_ALLOW","args":[{{"index":0,"value":7,"op":"SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    let program = filter(&format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#, rules.join(",")));
    for number in 0..430 {
        if syscalls::x86_64::Sysno::new(number).is_some() {
            assert_eq!(ask(&program, NATIVE, number as u32, [7, 0, 0, 0, 0, 0]), ALLOW);
            assert_eq!(ask(&program, NATIVE, number as u32, [8, 0, 0, 0, 0, 0]), ERRNO | 1);
        }
    }
}

#[test]
fn nonsense_is_refused() {
    let bad = [
        r#"{"defaultAction":"SCMP_ACT_MAYBE"}"#,
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/agent"}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_NEW"]}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRAP",
            "args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
    ];
    for json in bad {
        assert!(compile(&serde_json::from_str::<Profile>(json).unwrap()).is_err(), "{json}");
    }
}
