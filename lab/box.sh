#!/bin/bash
# box.sh up DIR CGROUP | in DIR CGROUP COMMAND... | down DIR CGROUP
# A box is a cgroup subtree, a cgroup namespace and a mount namespace with a private /run, kept by one holder process.
# All that is ever started in it (daemon, shims, containers, criu) stays in the subtree, so `down` ends it with one write.
set -euo pipefail
command=$1 dir=$2 name=$3
shift 3
unified=/sys/fs/cgroup
[ -e $unified/cgroup.controllers ] || unified=$unified/unified
cgroup=$unified/$name

# The mount points of the cgroup v1 hierarchies, each with its options.
hierarchies() { awk '{for (i = 7; i <= NF; i++) if ($i == "-" && $(i + 1) == "cgroup") print $5, $(i + 3)}' /proc/self/mountinfo; }

join() {
  local at options
  echo $BASHPID > "$cgroup$1/cgroup.procs"
  while read -r at options; do
    if [ -d "$at/$name" ]; then echo $BASHPID > "$at/$name/cgroup.procs"; fi
  done < <(hierarchies)
}

up() {
  local at options remount leaf
  mkdir -p "$cgroup/daemon" /run/containerd/fifo
  if [ $unified = /sys/fs/cgroup ]; then
    remount='mount -t cgroup2 none /sys/fs/cgroup'
    leaf=/sys/fs/cgroup/daemon
  else
    remount='umount /sys/fs/cgroup/unified; mount -t cgroup2 none /sys/fs/cgroup/unified'
    leaf=/sys/fs/cgroup/unified/daemon
    while read -r at options; do
      mkdir -p "$at/$name"
      remount="$remount; umount $at; mount -t cgroup -o ${options#rw,} none $at"
      if [ -e "$at/$name/cpuset.cpus" ]; then
        cat "$at/cpuset.cpus" > "$at/$name/cpuset.cpus"
        cat "$at/cpuset.mems" > "$at/$name/cpuset.mems"
      fi
    done < <(hierarchies)
  fi
  # Clients on the host make their FIFOs in /run/containerd/fifo: this folder, and the named network namespaces, stay the host's.
  (
    join ""
    exec setsid unshare --mount --cgroup --propagation slave bash -euc '
      exec 3</run/containerd/fifo
      if [ -d /run/netns ]; then exec 4</run/netns; fi
      mount -t tmpfs -o mode=755 tmpfs /run
      mkdir -p /run/containerd/fifo
      mount -c --bind /proc/self/fd/3 /run/containerd/fifo
      if [ -e /proc/self/fd/4 ]; then mkdir /run/netns; mount -c --rbind /proc/self/fd/4 /run/netns; fi
      exec 3<&- 4<&-
      '"$remount"'
      echo $$ > '"$leaf"'/cgroup.procs
      echo $$ > "$1.new"
      mv "$1.new" "$1"
      exec sleep infinity' box "$dir/holder"
  ) < /dev/null > "$dir/box.log" 2>&1 &
  local holder=$!
  for _ in $(seq 500); do
    if [ -s "$dir/holder" ]; then return; fi
    kill -0 $holder 2> /dev/null || break
    sleep 0.01
  done
  echo "the box did not come up: $(cat "$dir/box.log")" >&2
  return 1
}

gone() {
  local at
  for at in "$unified" $(hierarchies | cut -d' ' -f1); do
    if [ -d "$at/$name" ]; then find "$at/$name" -depth -type d -exec rmdir {} + 2> /dev/null || return 1; fi
  done
}

down() {
  local state at
  if [ -e "$cgroup/cgroup.kill" ]; then echo 1 > "$cgroup/cgroup.kill"; fi
  for at in $(hierarchies | awk '$2 ~ /freezer/ {print $1}'); do
    # A process frozen by cgroup v1 dies only when it is thawed.
    for state in $(find "$at/$name" -name freezer.state 2> /dev/null); do echo THAWED > "$state" || true; done
  done
  for _ in $(seq 1000); do
    if gone; then break; fi
    sleep 0.01
  done
  gone || { echo "cgroup $cgroup cannot be removed: $(cat "$cgroup/cgroup.events" 2>&1)" >&2; return 1; }
  local real
  real=$(readlink -f "$dir") || return 0
  for at in $(awk -v dir="$real/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r); do umount -l "$at"; done
  rm -rf --one-file-system "$real" "$dir"
}

case $command in
  up) up ;;
  in)
    join /daemon
    exec nsenter --target "$(cat "$dir/holder")" --mount --cgroup -- "$@"
    ;;
  down) down ;;
  # Waits for its input to close, which is when whoever started it is gone, however that came about.
  guard)
    trap '' HUP INT TERM PIPE
    cat > /dev/null
    down
    ;;
esac
