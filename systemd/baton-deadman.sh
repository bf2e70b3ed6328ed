#!/bin/sh
# Dead man's switch: SIGKILLs the k3s server once the lease file's deadline has passed, even when
# the agent is frozen or dead. A process of its own without dependencies (DESIGN section 3.3).
# It compares boot-clock times only; the wall clock is never looked at.
#
#   baton-deadman.sh LEASE_FILE BOOT_ID_FILE KILL_COMMAND [ARG ...]
#
# LEASE_FILE: lines `boot_id=…`, `deadline_ms=…` (boot clock). KILL_COMMAND is run while the lease
# is not valid: at ten looks in a row, then at every tenth. It must be harmless when no server runs.
# BATON_DEADMAN_ONCE=1: look once and exit 0 (valid) or 3 (killed), for tests.
# Everything doubtful (no file, other boot, not a number) counts as "not valid": a false kill
# costs a restart, a missed one costs the cluster.
set -u
# sleep(1) maps 200 KB of the machine's locale for nothing.
export LC_ALL=C
if [ "$#" -lt 3 ]; then
  echo "usage: baton-deadman.sh LEASE_FILE BOOT_ID_FILE KILL_COMMAND [ARG ...]" >&2
  exit 2
fi
lease_file=$1
boot_id_file=$2
shift 2

valid() {
  deadline_ms='' boot_id='' booted='' uptime=''
  [ -r "$lease_file" ] || return 1
  while IFS='=' read -r key value; do
    case $key in
      deadline_ms) deadline_ms=$value ;;
      boot_id) boot_id=$value ;;
    esac
  done <"$lease_file"
  case $deadline_ms in '' | *[!0-9]*) return 1 ;; esac
  [ "${#deadline_ms}" -le 15 ] || return 1
  read -r booted <"$boot_id_file" || return 1
  [ "$boot_id" = "$booted" ] || return 1
  # /proc/uptime is CLOCK_BOOTTIME as seconds with two decimals.
  read -r uptime _ </proc/uptime || return 1
  whole=${uptime%.*}
  hundredths=${uptime#*.}
  # The leading 1 keeps "08" from being read as an octal number.
  now_ms=$((whole * 1000 + (1$hundredths - 100) * 10))
  [ "$now_ms" -lt "$deadline_ms" ]
}

misses=0
while :; do
  if valid; then
    misses=0
  else
    misses=$((misses + 1))
    # A server that slipped through the gate at its last moment shows within seconds; later looks
    # are only for the improbable, and asking systemd each second costs more than all the rest.
    if [ "$misses" -le 10 ] || [ $((misses % 10)) -eq 0 ]; then "$@"; fi
    [ "${BATON_DEADMAN_ONCE:-0}" = 1 ] && exit 3
  fi
  [ "${BATON_DEADMAN_ONCE:-0}" = 1 ] && exit 0
  sleep 1
done
