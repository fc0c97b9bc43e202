#!/usr/bin/env bash
# Boot this machine's systemd as PID 1 of namespaces of its own, over an overlay of / that vanishes with it.
#
#   systemd_box.sh start DIR CGROUP VISIBLE...
#
# DIR/etc is laid over the box's /etc, DIR/share is the box's /run/share, the cgroup2 directory CGROUP becomes the
# box's root cgroup, and each VISIBLE directory is seen inside at its own path, read-only.  PID 1 reports READY=1 to
# DIR/share/boot.sock.  Nothing outside is changed: every mount lives in the box's mount namespace, and the box dies
# with the process that started this script (`join` and `boot` are its later stages, run by itself).
set -euo pipefail
stage=$1 dir=$2 cgroup=$3
shift
root=$dir/root

reach() {  # reach DIRECTORY: let every user of the box walk to it
  local parent=$1
  while [ "$parent" != / ]; do
    parent=$(dirname "$parent")
    chmod a+x "$root$parent"
  done
}

overlay() {
  mkdir -p "$dir/layer" "$root"
  mount -t tmpfs box "$dir/layer"
  mkdir "$dir/layer/upper" "$dir/layer/work"
  mount -t overlay -o "lowerdir=/,upperdir=$dir/layer/upper,workdir=$dir/layer/work" box "$root"
}

kernel_file_systems() {
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"  # the kernel's tunables are the machine's, not the box's
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
}

devices() {
  local node
  mount -t tmpfs -o mode=0755 dev "$root/dev"
  for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
}

shown() {  # shown VISIBLE...: the directories of outside that are seen inside
  local directory
  for directory in "$@"; do
    mkdir -p "$root$directory"
    reach "$directory"
    mount --bind "$directory" "$root$directory"
    mount -o remount,bind,ro "$root$directory"
  done
}

bare() {  # take out whatever this machine would do at boot beyond reaching basic.target, and an installed switchover
  chroot "$root" bash -c 'rm -rf /etc/switchover /var/{lib,log}/switchover* \
    /etc/fstab /etc/systemd/system{,-generators} /usr/local/lib/systemd \
    /lib/systemd/system-generators /lib/systemd/system/*.target.wants'
}

case $stage in
start)
  exec unshare --mount --pid --net --uts --ipc --fork --kill-child=KILL bash "$0" join "$@"
  ;;
join)  # as PID 1 already; the cgroup is joined before its namespace is made, so that it is the namespace's root
  echo 0 > "$cgroup/cgroup.procs"
  exec unshare --cgroup bash "$0" boot "$@"
  ;;
boot)
  shift 2
  mount --make-rprivate /
  overlay
  kernel_file_systems
  mount -t tmpfs -o mode=0755 run "$root/run"
  mount -t tmpfs -o mode=1777 tmp "$root/tmp"
  devices
  shown "$@"
  mkdir "$root/run/share"
  mount --bind "$dir/share" "$root/run/share"
  bare
  cp -r "$dir/etc/." "$root/etc/"
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
  ip link set lo up
  cd "$root"
  mkdir -p .outside
  pivot_root . .outside
  umount --lazy /.outside
  mount --make-rshared /
  exec env -i container=box NOTIFY_SOCKET=/run/share/boot.sock PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=box.target --log-target=journal --show-status=no
  ;;
esac
