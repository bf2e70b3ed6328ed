#!/bin/sh
# The dead man's kill command where systemd runs k3s: SIGKILL to the main process of the unit, found
# in the unit's control group, and only then a word to systemd. A PID 1 that hangs, or a bus that is
# slow, holds nothing up.
#
#   baton-kill-unit.sh UNIT LEASE_FILE BOOT_ID_FILE
#
# systemd starts each main process as leader of a session of its own. Nothing else in the group is
# one: the shims of k3s's containers are in it too, and pods live on without their server
# (KillMode=process), so that `cgroup.kill` of the whole group is not what is wanted.
# Source: setsid(2), systemd.exec(5), proc_pid_stat(5), cgroups(7).
# BATON_CGROUP: another place of the control groups, for tests.
set -u
if [ "$#" -ne 3 ]; then
  echo "usage: baton-kill-unit.sh UNIT LEASE_FILE BOOT_ID_FILE" >&2
  exit 2
fi
here=$(dirname "$0")
unit=$1
lease_file=$2
boot_id_file=$3
slice=''
# cgroup v2; then systemd's own hierarchy beside v1.
for root in "${BATON_CGROUP:-/sys/fs/cgroup}" /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
  if [ -d "${root}/system.slice" ]; then
    slice=${root}/system.slice
    break
  fi
done
# Groups are where systemd puts them, and this one is gone with the last process in it.
[ -z "$slice" ] || [ -d "${slice}/${unit}" ] || exit 0
# It may have been started under a new lease since the switch looked.
BATON_DEADMAN_ONCE=1 "${here}/baton-deadman.sh" "$lease_file" "$boot_id_file" true && exit 0
for list in "${slice}/${unit}"/cgroup.procs "${slice}/${unit}"/*/cgroup.procs; do
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
# In its own time: the switch must look again in a second. A stopped unit says so, to nobody.
timeout 2 systemctl kill --signal=SIGKILL --kill-whom=main "$unit" >/dev/null 2>&1 &
