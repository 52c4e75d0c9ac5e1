#!/bin/bash
# podman.sh ROOT DIR
# Stays, as the holder of a mount namespace in which ROOT is the root directory, DIR is /box, and all else is the box's it is
# started in. Podman and what it starts cannot be made to run with libraries from elsewhere, so they get a root of their own.
set -euo pipefail
exec unshare --mount --propagation slave bash -euc '
root=$1 dir=$2
mount --bind "$root" "$root"
for at in proc sys dev run tmp; do mount --rbind "/$at" "$root/$at"; done
mount --rbind "$dir" "$root/box"
cd "$root"
pivot_root . old
/usr/bin/umount -l /old
# With controllers in both kinds of hierarchies crun refuses: here it sees the first kind alone.
if /usr/bin/mountpoint -q /sys/fs/cgroup/unified; then /usr/bin/umount /sys/fs/cgroup/unified; fi
echo $$ > /box/holder.new
/usr/bin/mv /box/holder.new /box/podman-holder
exec /usr/bin/sleep infinity' podman "$@"
