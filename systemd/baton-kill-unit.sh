#!/bin/sh
# The dead man's kill command where systemd runs k3s: SIGKILL to the main process of the unit, found
# in the unit's control group, wherever `Slice=` puts that, and only then a word to systemd. A PID 1
# that hangs, or a bus that is slow, holds nothing up.
#
#   baton-kill-unit.sh UNIT LEASE_FILE BOOT_ID_FILE
#
# systemd starts each main process as leader of a session of its own; nothing else in the group is
# one. Not `cgroup.kill`: it has the shims of k3s's containers, and pods outlive their server.
# Source: setsid(2), systemd.exec(5), proc_pid_stat(5), cgroups(7).
# BATON_CGROUP: another place of the control groups, for tests.
set -u
if [ "$#" -ne 3 ]; then
  echo "usage: baton-kill-unit.sh UNIT LEASE_FILE BOOT_ID_FILE" >&2
  exit 2
fi
here=$(dirname "$0")
unit=$1 lease_file=$2 boot_id_file=$3
set --
# cgroup v2; then systemd's own hierarchy beside v1; nothing that is known.
for root in "${BATON_CGROUP:-/sys/fs/cgroup}" /sys/fs/cgroup/unified /sys/fs/cgroup/systemd ''; do
  [ ! -d "${root}/system.slice" ] || break
done
# A unit's group is in the root or in a slice, a slice's in the root or in a slice.
level=$root
while [ "$#" -eq 0 ]; do
  # shellcheck disable=SC2231
  for group in $level/"$unit"; do [ ! -d "$group" ] || set -- "$@" "$group"; done
  level="${level}/*.slice"
  for slice in $level; do [ -d "$slice" ] || break 2; done
done
# The group is gone with the last process in it.
[ -z "$root" ] || [ "$#" -gt 0 ] || exit 0
# It may have been started under a new lease since the switch looked.
BATON_DEADMAN_ONCE=1 "${here}/baton-deadman.sh" "$lease_file" "$boot_id_file" true && exit 0
for group in "$@"; do
  for list in "$group"/cgroup.procs "$group"/*/cgroup.procs; do
    [ -r "$list" ] || continue
    while read -r pid; do
      case $pid in '' | *[!0-9]* | 0 | 1) continue ;; esac
      { read -r stat <"/proc/${pid}/stat"; } 2>/dev/null || continue
      # The name in parentheses may hold blanks; after it come state, parent, group and session.
      # shellcheck disable=SC2086
      set -- ${stat##*) }
      if [ "$4" = "$pid" ]; then kill -s KILL "$pid"; fi
    done <"$list"
  done
done
# In its own time: the switch must look again in a second. A stopped unit says so, to nobody.
timeout 2 systemctl kill --signal=SIGKILL --kill-whom=main "$unit" >/dev/null 2>&1 &
