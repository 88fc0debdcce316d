#!/bin/sh
# Process 1 of a user-mode kernel: a whole Linux of its own, with control groups v2, in one ordinary process.
#
#     /            the host's files, read-only (hostfs), and an overlay in memory above them: all can be changed,
#                  nothing of it reaches the host
#     /out         the only folder of the host that can be written: $OUTDIR
#     /out/job     what to run; its exit status goes to /out/status
#
# The kernel hands words K=V of its command line to process 1 as its environment. When this script ends, the kernel
# panics and the boot is over; so it switches the machine off itself.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8

fail() {
    echo "init: $*" # to the console
    echo o >/proc/sysrq-trigger
    sleep 9
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys || fail "no /sys"
mount -t tmpfs tmpfs /run || fail "no /run"

# modprobe wants lib/modules/RELEASE; Debian keeps these modules elsewhere
mkdir -p /run/kernel/lib/modules /run/top/upper /run/top/work /run/root /run/out
ln -s "/usr/lib/uml/modules/$(uname -r)" /run/kernel/lib/modules/
modprobe -d /run/kernel -a overlay veth bridge tun || fail "modprobe"

mount -t hostfs none /run/out -o "$OUTDIR" || fail "mount $OUTDIR"
root=/run/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/top/upper,workdir=/run/top/work $root || fail "mount the overlay"
mkdir -p $root/out
mount --move /run/out $root/out
mount -t devtmpfs devtmpfs $root/dev
mkdir -p $root/dev/pts $root/dev/shm $root/dev/mqueue
mount -t devpts devpts $root/dev/pts -o ptmxmode=666
mount -t tmpfs tmpfs $root/dev/shm -o mode=1777
mount -t mqueue mqueue $root/dev/mqueue
mount -t tmpfs tmpfs $root/run
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup || fail "no cgroup v2"

mkdir $root/run/old
cd $root && pivot_root . run/old || fail "pivot_root"
umount -l /run/old
ip link set lo up
sh /out/job >/out/log 2>&1
echo $? >/out/status
echo o >/proc/sysrq-trigger
sleep 9
