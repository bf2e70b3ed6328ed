#!/bin/sh
# ExecStop of baton-agent.service: ends the agent in the way that fits the reason.
#
#   baton-agent-stop.sh MAIN_PID
#
# `systemctl restart` (an upgrade) gets SIGHUP: role, lease and server stay, and the next start goes
# on where this one was. A stop or a shutdown gets SIGTERM: role and vote go to other nodes first.
# Waits until the process is gone, because systemd sends its own signal when this script ends, and
# a second one makes the agent leave at once. TimeoutStopSec bounds the wait.
set -u
# Without a process there is nothing to stop: it failed, or never started.
pid=${1:-}
case $pid in '' | *[!0-9]*) exit 0 ;; esac
signal=TERM
# The job says why. Milliseconds on a calm node; on one that swaps the agent goes on working while
# this waits. A PID 1 that hangs means a plain stop.
case $(timeout 10 systemctl list-jobs --no-legend baton-agent.service) in
  *' restart '*) signal=HUP ;;
esac
kill -s "$signal" "$pid" || exit 0
while kill -s 0 "$pid" 2>/dev/null; do
  sleep 0.1
done
