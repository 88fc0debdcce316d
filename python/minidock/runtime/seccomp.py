"""Docker's default system call filter, as a function: of the container's capabilities, the kernel and the machine.

The filter is a list of what is *allowed*; the rest fails with EPERM. What is left out lets a process change what all
containers share (mounts, modules, the clock, swap), reach into places that no namespace covers (keys, BPF, io_uring,
userfaultfd), or make a user namespace, inside which it would be root again. Most of these come back with the
capability that guards them anyway: a container with CAP_SYS_ADMIN that could not mount would help nobody.

Three calls depend on their arguments: ``socket`` (no AF_VSOCK and no AF_ALG: both reach the host's kernel beside every
namespace), ``personality`` (only values that leave ASLR on), and ``clone`` (no new namespaces). ``clone3`` keeps its
flags in memory, where a filter cannot look; it fails with ENOSYS, so that C libraries fall back to ``clone``.

The tables hold the names of all architectures; a name that one of them does not have is skipped by the compiler.
Source of the list: Docker Engine's documentation, Seccomp security profiles; syscalls(2), seccomp(2).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from minidock.errors import Unsupported
from minidock.oci.runtime import Seccomp, SeccompArg, SyscallRule

ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
EPERM, ENOSYS = 1, 38

#: The machine's own architecture first, then those that its kernel runs too.
ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}

#: Allowed in every container, by what they are for.
FREE = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair

access chdir chmod chown chown32 close close_range creat dup dup2 dup3 faccessat faccessat2 fchdir fchmod fchmodat
fchmodat2 fchown fchown32 fchownat fcntl fcntl64 flock fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getcwd
getdents getdents64 lchown lchown32 link linkat lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat
open openat openat2 readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx symlink
symlinkat umask unlink unlinkat utime utimensat utimensat_time64 utimes listmount statmount

fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr lremovexattr
lsetxattr removexattr removexattrat setxattr setxattrat

cachestat copy_file_range fadvise64 fadvise64_64 fallocate fdatasync fsync ftruncate ftruncate64 _llseek lseek pread64
preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice sync sync_file_range syncfs tee
truncate truncate64 vmsplice write writev

io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set

epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect pipe pipe2 poll ppoll
ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4

brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect
mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages

ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget

execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list
get_thread_area getcpu getpgid getpgrp getpid getppid getsid gettid pause pidfd_open pidfd_send_signal restart_syscall
rseq set_robust_list set_thread_area set_tid_address setpgid setsid uretprobe vfork wait4 waitid waitpid

kill rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn tgkill tkill

capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid
setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32

getpriority getrlimit getrusage prlimit64 sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield setpriority setrlimit ugetrlimit

adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
timerfd_gettime64 timerfd_settime timerfd_settime64 times

getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self prctl seccomp sysinfo uname
"""

#: Allowed on one machine only.
OF_MACHINE = {
    "x86_64": "arch_prctl modify_ldt",
    "aarch64": "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
}

#: Allowed with a capability.
WITH_CAPABILITY = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
        lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
        quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare
        """,
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYSLOG": "syslog",
}

#: ptrace could slip past a filter before Linux 4.8 (seccomp(2), Notes).
PTRACE = "process_vm_readv process_vm_writev ptrace"

#: All address families but AF_ALG (38) and AF_VSOCK (40). One rule for each range: other runtimes take two conditions
#: on one argument as "or" (a limit of libseccomp).
FAMILIES = ((38, "SCMP_CMP_LT"), (39, "SCMP_CMP_EQ"), (40, "SCMP_CMP_GT"))

#: PER_LINUX, PER_LINUX32 (8), both with UNAME26 (0x20000), and 0xffffffff, which only asks.
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: clone(2).
NEW_NAMESPACES = 0x7E020000


def default_profile(
    capabilities: Iterable[str], machine: str | None = None, kernel: tuple[int, int] | None = None
) -> Seccomp:
    """Return the filter for a container with these capabilities.

    :param capabilities: the container's bounding set, as names such as ``CAP_CHOWN``.
    :param machine: as ``uname -m`` says it, by default this one's.
    :param kernel: its version, major and minor, by default this one's.
    :raises Unsupported: there is no table for the machine.
    """
    machine = machine or os.uname().machine
    if machine not in ARCHITECTURES:
        raise Unsupported(f"no default seccomp profile for {machine}", "use --security-opt seccomp=unconfined")
    held = set(capabilities)
    ptrace = PTRACE if (kernel or kernel_version(os.uname().release)) >= (4, 8) else ""
    rules = [
        _allow(f"{FREE} {OF_MACHINE[machine]} {ptrace}"),
        *(_allow_if("socket", SeccompArg(0, family, op)) for family, op in FAMILIES),
        *(_allow_if("personality", SeccompArg(0, value, "SCMP_CMP_EQ")) for value in PERSONALITIES),
        *(_allow(names) for capability, names in WITH_CAPABILITY.items() if capability in held),
    ]
    if "CAP_SYS_ADMIN" not in held:
        rules.append(_allow_if("clone", SeccompArg(0, NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0)))
        rules.append(SyscallRule(("clone3",), ERRNO, errno_ret=ENOSYS))
    return Seccomp(ERRNO, EPERM, ARCHITECTURES[machine], syscalls=tuple(rules))


def kernel_version(release: str) -> tuple[int, int]:
    """Return (major, minor) of a release such as ``6.1.0-40-amd64``."""
    major, minor = release.split("-")[0].split(".")[:2]
    return int(major), int(minor)


def _allow(names: str) -> SyscallRule:
    return SyscallRule(tuple(names.split()), ALLOW)


def _allow_if(name: str, condition: SeccompArg) -> SyscallRule:
    return SyscallRule((name,), ALLOW, args=(condition,))
