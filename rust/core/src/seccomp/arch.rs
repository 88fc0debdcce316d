//! Architectures: what the kernel calls them in a filter, and which number a system call has there.

use std::str::FromStr;

use crate::error::{Error, Result};

/// An architecture that a filter can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86, whose programs run on a 64-bit kernel too.
    X86,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm.
    Arm,
}

/// x32 calls have this bit in their number, on x86-64's own architecture value.
pub const X32_BIT: u32 = 0x4000_0000;

impl Arch {
    /// The architecture this program was built for.
    pub const NATIVE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// Read a list such as `SCMP_ARCH_X86_64`; those of other families can never call here and are left out.
    /// The second value is whether x32 is listed. The native one is always in.
    pub fn parse(names: &[String]) -> Result<(Vec<Self>, bool)> {
        let mut archs = vec![Self::NATIVE];
        let mut x32 = false;
        for name in names {
            let arch = match name.strip_prefix("SCMP_ARCH_") {
                Some("NATIVE") => Self::NATIVE,
                Some("X86_64") => Self::X86_64,
                Some("X86") => Self::X86,
                Some("AARCH64") => Self::Aarch64,
                Some("ARM") => Self::Arm,
                Some("X32") => {
                    x32 = true;
                    continue;
                }
                Some(
                    "MIPS" | "MIPS64" | "MIPS64N32" | "MIPSEL" | "MIPSEL64" | "MIPSEL64N32" | "PPC" | "PPC64"
                    | "PPC64LE" | "S390" | "S390X" | "PARISC" | "PARISC64" | "RISCV64" | "LOONGARCH64" | "M68K" | "SH"
                    | "SHEB",
                ) => continue,
                _ => return Err(Error::plain(format!("no such architecture: {name:?}"))),
            };
            if arch.runs_here() && !archs.contains(&arch) {
                archs.push(arch);
            }
        }
        Ok((archs, x32))
    }

    fn runs_here(self) -> bool {
        match Self::NATIVE {
            Self::Aarch64 => matches!(self, Self::Aarch64 | Self::Arm),
            _ => matches!(self, Self::X86_64 | Self::X86),
        }
    }

    /// The kernel's AUDIT_ARCH_… value.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// The number of the system call `name`, if it exists there.
    pub fn number(self, name: &str) -> Option<u32> {
        let number = match self {
            Self::X86_64 => syscalls::x86_64::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::X86 => syscalls::x86::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::Aarch64 => syscalls::aarch64::Sysno::from_str(name).ok().map(|call| call.id()),
            Self::Arm => syscalls::arm::Sysno::from_str(name).ok().map(|call| call.id()),
        };
        number.and_then(|number| u32::try_from(number).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(Arch::X86_64.number("read"), Some(0));
        assert_eq!(Arch::X86_64.number("clone3"), Some(435));
        assert_eq!(Arch::X86.number("read"), Some(3));
        assert_eq!(Arch::X86.number("socketcall"), Some(102));
        assert_eq!(Arch::X86_64.number("socketcall"), None);
        assert_eq!(Arch::Aarch64.number("read"), Some(63));
    }

    #[test]
    fn lists_are_read() {
        let list: Vec<String> = [
            "SCMP_ARCH_X86_64",
            "SCMP_ARCH_X86",
            "SCMP_ARCH_X32",
            "SCMP_ARCH_AARCH64",
            "SCMP_ARCH_ARM",
            "SCMP_ARCH_S390X",
        ]
        .map(str::to_owned)
        .to_vec();
        let (archs, x32) = Arch::parse(&list).unwrap();
        assert_eq!(archs.len(), 2);
        assert!(x32);
        assert!(Arch::parse(&["SCMP_ARCH_PDP11".into()]).is_err());
    }
}
