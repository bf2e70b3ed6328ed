#!/bin/sh
# The dead man's kill command where no systemd runs (demo, lab): SIGKILL to the group of the server
# that the pid file names. Harmless when it is gone; a pid that the kernel gave to another process
# meanwhile is told by its start time and left alone, and so is a server that was started under a
# new lease after the dead man had looked (seen on a machine so busy that 0.4 s lay between).
#
#   baton-kill-server.sh PID_FILE LEASE_FILE BOOT_ID_FILE
#
# PID_FILE: one line, pid and start time in ticks since boot.
set -u
if [ "$#" -ne 3 ]; then
  echo "usage: baton-kill-server.sh PID_FILE LEASE_FILE BOOT_ID_FILE" >&2
  exit 2
fi
here=$(dirname "$0")
lease_file=$2
boot_id_file=$3
[ -r "$1" ] || exit 0
pid='' ticks=''
read -r pid ticks <"$1" || exit 0
# 0 and 1 would reach the own group and every process there is.
case $pid in '' | *[!0-9]* | 0 | 1) exit 0 ;; esac
[ -r "/proc/${pid}/stat" ] || exit 0
stat=''
read -r stat <"/proc/${pid}/stat" || exit 0
# The name in parentheses may hold blanks; field 3 is the first one after it, field 22 the 20th.
# shellcheck disable=SC2086
set -- ${stat##*) }
[ "${20}" = "$ticks" ] || exit 0
BATON_DEADMAN_ONCE=1 "${here}/baton-deadman.sh" "$lease_file" "$boot_id_file" true && exit 0
# dash takes "--" only after -s.
kill -s KILL -- "-${pid}"
