#!/usr/bin/env bash
# Becomes process 1 of a box. Run by infra/dev/box in namespaces of its own, and by nobody else: what it mounts
# would otherwise lie over the machine's.
set -euo pipefail
[ $$ -eq 1 ] || { echo "box-boot.sh: this is not process 1 of namespaces of its own" >&2; exit 64; }

box=$1
checkout=$2
shift 2
layered=("$@")
if [ -e "$box/made" ]; then is_new=; else is_new=1; fi

# systemd reads the list of mounts again and again when it starts a unit: the machine's that would be hidden go.
umount --recursive --lazy /proc
mount -t proc -o nosuid,nodev,noexec proc /proc

# What is below directories that are about to be hidden, and must be seen nevertheless.
stage=/mnt
mount -t tmpfs -o mode=700 tmpfs "$stage"
kept=()
case $checkout/ in /tmp/* | /run/* | /var/* | /dev/*) kept+=("$checkout") ;; esac
while read -r path; do kept+=("$path"); done <"$box/binds"
for number in "${!kept[@]}"; do
    if [ -d "${kept[number]}" ]; then mkdir "$stage/$number"; else touch "$stage/$number"; fi
    mount --rbind "${kept[number]}" "$stage/$number"
done

for path in "${layered[@]}"; do
    mount -t overlay -o "lowerdir=$path,upperdir=$box/layers$path,workdir=$box/work$path" overlay "$path"
done
# systemd empties these at each boot: they must not be the machine's.
for path in /tmp /var/tmp; do mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$path"; done
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run

# Devices without a disk, a console or the kernel's log among them.
devices=$stage/devices
mkdir "$devices"
mount -t tmpfs -o mode=755,nosuid tmpfs "$devices"
for name in null zero full random urandom tty; do
    touch "$devices/$name"
    mount --bind "/dev/$name" "$devices/$name"
done
mkdir "$devices/pts" "$devices/shm" "$devices/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$devices/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$devices/shm"
mount -t mqueue mqueue "$devices/mqueue"
ln -s pts/ptmx "$devices/ptmx"
ln -s /proc/self/fd "$devices/fd"
ln -s /proc/self/fd/0 "$devices/stdin"
ln -s /proc/self/fd/1 "$devices/stdout"
ln -s /proc/self/fd/2 "$devices/stderr"
umount --recursive --lazy /dev
mount --move "$devices" /dev

# Control groups of which the box's are the roots. Version 1 is mounted as systemd calls it "hybrid".
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
    umount --recursive --lazy /sys/fs/cgroup
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
else
    controllers=()
    for name in memory pids cpu cpuacct blkio devices freezer; do
        if mountpoint -q "/sys/fs/cgroup/$name"; then controllers+=("$name"); fi
    done
    umount --recursive --lazy /sys/fs/cgroup
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs /sys/fs/cgroup
    for name in "${controllers[@]}"; do
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "nosuid,nodev,noexec,$name" cgroup "/sys/fs/cgroup/$name"
    done
    mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
    mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup /sys/fs/cgroup/systemd
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup/unified
fi

for number in "${!kept[@]}"; do
    if [ -d "$stage/$number" ]; then mkdir -p "${kept[number]}"; else
        mkdir -p "$(dirname "${kept[number]}")"
        touch "${kept[number]}"
    fi
    mount --rbind "$stage/$number" "${kept[number]}"
done
umount -l "$stage"

# At its first boot a box has none of this machine's services, and a name of its own to systemd and D-Bus.
if [ -n "$is_new" ]; then
    rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.requires
    echo box >/etc/hostname
    tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
fi
# What would change the machine: its clock, its kernel's settings and modules, its mounts, its network. And what
# has nothing to do here.
mkdir -p /run/systemd/system
for unit in systemd-timesyncd.service systemd-sysctl.service systemd-modules-load.service modprobe@.service \
    systemd-remount-fs.service systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket \
    systemd-udevd-control.socket systemd-random-seed.service systemd-hwdb-update.service systemd-pcrphase.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount kmod-static-nodes.service networking.service \
    systemd-networkd.service systemd-networkd-wait-online.service systemd-resolved.service systemd-logind.service \
    getty.target console-getty.service systemd-firstboot.service keyboard-setup.service console-setup.service \
    apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service man-db.timer \
    dpkg-db-backup.timer swap.target dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount; do
    ln -s /dev/null "/run/systemd/system/$unit"
done
# No file system of the machine's table is this box's to mount.
: >/etc/fstab

if [ -e "$box/net" ]; then ip link set lo up; fi
# Credentials reach a service by a mount that must propagate into its own namespace.
mount --make-rshared /
cd /
exec env -i container=box PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=multi-user.target
