#!/bin/bash
# First process of a node, inside its network, UTS, mount, PID and IPC namespaces.
# node.sh CLUSTER-FOLDER NODE SHARED-FOLDER...
set -u
cluster=$1 node=$2
shift 2
own=$cluster/nodes/$node
hostname "$node"
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=1777 shm /dev/shm
mount --bind "$cluster/etc/hosts" /etc/hosts
# Without a name server gRPC asks none; with one that does not answer it waits 40 s.
: > "$own/resolv.conf" && mount --bind "$own/resolv.conf" /etc/resolv.conf
# `ip netns exec` mounted a /sys without control groups; proctrack/cgroup needs the freezer.
mount -t tmpfs cgroup /sys/fs/cgroup
mkdir /sys/fs/cgroup/freezer
mount -t cgroup -o freezer cgroup /sys/fs/cgroup/freezer

# A home that others may not enter hides an interpreter in it from a job of another user.
home=$(mktemp -d "$own/home.XXXXXX")
mkdir -p "$home/was"
mount --bind /root "$home/was"
mount -t tmpfs -o mode=755 home /root
for folder in "$@"; do
    case $folder in
    /root/*) mkdir -p "$folder" && mount --bind "$home/was/${folder#/root/}" "$folder" ;;
    esac
done

# A /tmp of its own, with the shared folders in it bound back.
mkdir -p "$own/tmp" "$own/spool"
chmod 1777 "$own/tmp"
for folder in "$cluster" "$@"; do
    case $folder in
    /tmp/*) mkdir -p "$own/tmp/${folder#/tmp/}" && mount --bind "$folder" "$own/tmp/${folder#/tmp/}" ;;
    esac
done
mount --rbind "$own/tmp" /tmp
cd /
/usr/sbin/slurmd -D -N "$node" -f "$cluster/etc/slurm.conf" >> "$cluster/log/slurmd.$node.out" 2>&1 &
# The host stays up when slurmd dies; bash as process 1 takes in orphans.
trap 'exit 0' TERM
while :; do sleep 3600 & wait; done
