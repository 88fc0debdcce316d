"""The default filter: what is refused is what Docker refuses."""

from __future__ import annotations

import pytest

from minidock.errors import Unsupported
from minidock.oci.runtime import Seccomp, SyscallRule
from minidock.runtime.capabilities import ALL_CAPABILITIES, DEFAULT_CAPABILITIES
from minidock.runtime.seccomp import ALLOW, ENOSYS, FREE, default_profile, kernel_version

#: What a container with Docker's default capabilities may not call on x86-64, of the calls of Linux 6.1.
_REFUSED = """
syslog uselib ustat sysfs vhangup pivot_root _sysctl acct settimeofday mount umount2 swapon swapoff reboot sethostname
setdomainname iopl ioperm create_module init_module delete_module get_kernel_syms query_module quotactl nfsservctl
getpmsg putpmsg afs_syscall tuxcall security lookup_dcookie clock_settime vserver mbind set_mempolicy get_mempolicy
kexec_load add_key request_key keyctl migrate_pages unshare move_pages perf_event_open fanotify_init open_by_handle_at
setns kcmp finit_module kexec_file_load bpf userfaultfd io_uring_setup io_uring_enter io_uring_register open_tree
move_mount fsopen fsconfig fsmount fspick clone3 pidfd_getfd process_madvise mount_setattr quotactl_fd
set_mempolicy_home_node
"""
REFUSED = _REFUSED.split()


def rules(profile: Seccomp, name: str) -> list[SyscallRule]:
    return [rule for rule in profile.syscalls or () if name in rule.names]


def allowed(profile: Seccomp, name: str, first: int = 0) -> bool:
    """What the specification's rules say for this call with this first argument."""
    for rule in rules(profile, name):
        holds = True
        for condition in rule.args or ():
            value = condition.value
            holds = {
                "SCMP_CMP_EQ": first == value,
                "SCMP_CMP_LT": first < value,
                "SCMP_CMP_GT": first > value,
                "SCMP_CMP_MASKED_EQ": first & value == condition.value_two,
            }[condition.op]
        if holds:
            return rule.action == ALLOW
    return False


@pytest.fixture
def profile() -> Seccomp:
    return default_profile(DEFAULT_CAPABILITIES, "x86_64", (6, 1))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(profile: Seccomp, name: str) -> None:
    assert not allowed(profile, name)


def test_what_programs_need_is_free(profile: Seccomp) -> None:
    for name in ("read", "openat2", "clone", "execve", "ptrace", "chroot", "futex_waitv", "arch_prctl", "mknod"):
        assert allowed(profile, name), name


def test_clone3_is_as_if_the_kernel_did_not_have_it(profile: Seccomp) -> None:
    assert [(r.action, r.errno_ret) for r in rules(profile, "clone3")] == [("SCMP_ACT_ERRNO", ENOSYS)]
    assert (profile.default_action, profile.default_errno_ret) == ("SCMP_ACT_ERRNO", 1)


def test_arguments_decide(profile: Seccomp) -> None:
    families = {"AF_UNIX": 1, "AF_INET": 2, "AF_NETLINK": 16, "AF_ALG": 38, "AF_NFC": 39, "AF_VSOCK": 40, "AF_XDP": 44}
    refused = {name for name, family in families.items() if not allowed(profile, "socket", family)}
    assert refused == {"AF_ALG", "AF_VSOCK"}
    assert allowed(profile, "personality", 0xFFFFFFFF)
    assert not allowed(profile, "personality", 0x0040000)  # ADDR_NO_RANDOMIZE
    assert allowed(profile, "clone", 0x11)
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert not allowed(profile, "clone", flag | 0x11)


@pytest.mark.parametrize(
    ("capability", "call"),
    [("CAP_SYS_ADMIN", "mount"), ("CAP_SYS_ADMIN", "clone3"), ("CAP_SYS_PTRACE", "kcmp"), ("CAP_SYS_BOOT", "reboot"),
     ("CAP_SYS_TIME", "clock_settime"), ("CAP_SYS_NICE", "mbind"), ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
     ("CAP_SYS_MODULE", "finit_module"), ("CAP_SYSLOG", "syslog"), ("CAP_BPF", "bpf"), ("CAP_SYS_CHROOT", "chroot")],
)  # fmt: skip
def test_a_capability_brings_its_calls(capability: str, call: str) -> None:
    assert not allowed(default_profile([], "x86_64"), call)
    assert allowed(default_profile([capability], "x86_64"), call)


def test_some_calls_no_capability_brings() -> None:
    everything = default_profile(ALL_CAPABILITIES, "x86_64")
    for name in ("add_key", "keyctl", "userfaultfd", "io_uring_setup", "kexec_load", "pivot_root", "swapon"):
        assert not allowed(everything, name)


def test_ptrace_needs_a_kernel_that_filters_after_it() -> None:
    assert not allowed(default_profile([], "x86_64", (4, 7)), "ptrace")
    assert kernel_version("4.8.0-rc1") == (4, 8)
    assert kernel_version("6.18.44-custom+") == (6, 18)


def test_architectures() -> None:
    assert default_profile([], "x86_64").architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")
    assert default_profile([], "aarch64").architectures == ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")
    with pytest.raises(Unsupported, match="sparc"):
        default_profile([], "sparc")


def test_no_name_stands_twice() -> None:
    words = FREE.split()
    assert len(words) == len(set(words))
