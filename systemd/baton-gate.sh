#!/bin/sh
# ExecCondition of k3s.service: exit 0 only while the lease file is valid on this boot's clock,
# 1 (systemd: condition not met, no failure) otherwise. One judgement serves gate and dead man's
# switch, so the two can never disagree.
#
#   baton-gate.sh LEASE_FILE BOOT_ID_FILE
set -u
if [ "$#" -ne 2 ]; then
  echo "usage: baton-gate.sh LEASE_FILE BOOT_ID_FILE" >&2
  exit 255
fi
here=$(dirname "$0")
if BATON_DEADMAN_ONCE=1 "${here}/baton-deadman.sh" "$1" "$2" true; then
  exit 0
fi
echo "k3s stays stopped: this node holds no valid mastership lease ($1)" >&2
exit 1
