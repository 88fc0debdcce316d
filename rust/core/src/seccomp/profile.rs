//! The specification's form of a filter, and what its words mean to the kernel.

use serde::Deserialize;

use crate::error::{Error, Result};

/// `linux.seccomp` of a `config.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// What happens to a call that no rule fits.
    pub default_action: String,
    /// The error number if that is SCMP_ACT_ERRNO.
    pub default_errno_ret: Option<u32>,
    /// Architectures whose calls are looked at; others are killed.
    #[serde(default)]
    pub architectures: Option<Vec<String>>,
    /// SECCOMP_FILTER_FLAG_… names.
    #[serde(default)]
    pub flags: Option<Vec<String>>,
    /// The rules.
    #[serde(default)]
    pub syscalls: Option<Vec<Rule>>,
    /// The socket of an agent that decides instead of a rule: not supported.
    #[serde(default)]
    pub listener_path: String,
}

/// What happens to these calls if all conditions hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// System calls.
    pub names: Vec<String>,
    /// SCMP_ACT_…
    pub action: String,
    /// The error number if that is SCMP_ACT_ERRNO, the message if it is SCMP_ACT_TRACE.
    pub errno_ret: Option<u32>,
    /// Conditions.
    #[serde(default)]
    pub args: Option<Vec<Condition>>,
}

/// A condition on one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub index: u32,
    /// What it is compared with.
    pub value: u64,
    /// For SCMP_CMP_MASKED_EQ: what the masked argument must be (`value` is the mask).
    #[serde(default)]
    pub value_two: u64,
    /// How.
    pub op: Compare,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Compare {
    /// Not equal.
    #[serde(rename = "SCMP_CMP_NE")]
    NotEqual,
    /// Less.
    #[serde(rename = "SCMP_CMP_LT")]
    Less,
    /// Less or equal.
    #[serde(rename = "SCMP_CMP_LE")]
    LessOrEqual,
    /// Equal.
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    /// Greater or equal.
    #[serde(rename = "SCMP_CMP_GE")]
    GreaterOrEqual,
    /// Greater.
    #[serde(rename = "SCMP_CMP_GT")]
    Greater,
    /// Equal under a mask.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

const EPERM: u32 = libc::EPERM as u32;
const MOST_ERRNO: u32 = 4095; // the kernel knows no larger one

/// The kernel's return value for an action (seccomp(2)).
pub fn action(name: &str, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or(EPERM);
    Ok(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => libc::SECCOMP_RET_KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => libc::SECCOMP_RET_KILL_PROCESS,
        "SCMP_ACT_TRAP" => libc::SECCOMP_RET_TRAP,
        "SCMP_ACT_ERRNO" if data <= MOST_ERRNO => libc::SECCOMP_RET_ERRNO | data,
        "SCMP_ACT_TRACE" if data <= 0xffff => libc::SECCOMP_RET_TRACE | data,
        "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE" => return Err(Error::plain(format!("error number {data} is too large"))),
        "SCMP_ACT_LOG" => libc::SECCOMP_RET_LOG,
        "SCMP_ACT_ALLOW" => libc::SECCOMP_RET_ALLOW,
        "SCMP_ACT_NOTIFY" => return Err(Error::plain("SCMP_ACT_NOTIFY is not supported: use another action")),
        other => return Err(Error::plain(format!("no such action: {other:?}"))),
    })
}

/// The flags for seccomp(2).
pub fn flags(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |bits, name| match name.as_str() {
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(bits), // one thread only: there is nobody to synchronise with
        "SECCOMP_FILTER_FLAG_LOG" => Ok(bits | libc::SECCOMP_FILTER_FLAG_LOG),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(bits | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW),
        other => Err(Error::plain(format!("seccomp flag {other:?} is not supported"))),
    })
}
