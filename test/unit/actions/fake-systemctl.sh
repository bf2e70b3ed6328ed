#!/bin/sh
# As much of systemctl as agent/adapters/systemctl-units.ts uses, on real processes and a folder of
# files. Start and stop are jobs of systemd's own, so the "server" outlives every caller.
#   FAKE_SYSTEMD: folder · FAKE_GATE: command of ExecCondition · FAKE_SERVER: shell text of the
#   server
set -u
verb=$1
shift
unit=''
for word in "$@"; do case $word in *.service) unit=$word ;; esac; done
base=$FAKE_SYSTEMD/$unit

# A zombie has ended; nobody may collect it in a container without a real init.
alive() {
  [ -s "$base.pid" ] && read -r pid <"$base.pid" && [ -r "/proc/$pid/stat" ] || return 1
  read -r _ _ state _ <"/proc/$pid/stat"
  [ "$state" != Z ]
}

case $verb in
  mask)
    # systemd reads the unit anew and finds nothing: KillMode=process is forgotten.
    if alive; then : >"$base.forgotten"; fi
    : >"$base.masked"
    ;;
  unmask) rm -f "$base.masked" ;;
  start)
    if [ -e "$base.masked" ]; then
      echo "Failed to start $unit: Unit $unit is masked." >&2
      exit 1
    fi
    alive && exit 0
    if [ "$unit" = k3s.service ] && ! $FAKE_GATE 2>/dev/null; then
      echo exec-condition >"$base.result"
      exit 0
    fi
    echo success >"$base.result"
    # A server that ends at once; with Restart=always systemd waits with it and tries again.
    [ -e "$base.restarts" ] && exit 0
    setsid sh -c "$FAKE_SERVER" </dev/null >/dev/null 2>&1 &
    echo $! >"$base.pid"
    ;;
  stop)
    # At a shutdown the job waits for the agent's own end.
    [ -e "$base.queued" ] && exit 0
    if alive; then kill -TERM "$pid" 2>/dev/null; fi
    [ "$unit" = k3s-agent.service ] && rm -f "$base.pid"
    ;;
  show)
    load=loaded active=inactive sub=dead main=0 result=success
    [ -e "$base.masked" ] && load=masked
    [ -s "$base.result" ] && read -r result <"$base.result"
    if alive; then active=active sub=running main=$pid; fi
    if [ "$active" = inactive ] && [ -e "$base.restarts" ]; then
      active=activating sub=auto-restart result=exit-code
    fi
    printf 'MainPID=%s\nActiveState=%s\nSubState=%s\nLoadState=%s\nResult=%s\nJob=\n' \
      "$main" "$active" "$sub" "$load" "$result"
    ;;
  *) echo "unknown verb $verb" >&2; exit 1 ;;
esac
exit 0
