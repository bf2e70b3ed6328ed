#!/bin/sh
# Ends a lab whose driver is gone, however it went. The driver holds our standard input open; at
# its end every process with BATON_LAB=RUN/… is killed, and FOLDER removed unless KEEP is 1.
#
#   reaper.sh RUN FOLDER KEEP <pipe
set -u
run=$1
folder=$2
keep=$3

# Reads until the driver closes the pipe or dies; "keep" before it changes the mind.
while read -r word; do
  [ "$word" = keep ] && keep=1
done

for _ in 1 2 3 4 5; do
  found=''
  for environ in /proc/[0-9]*/environ; do
    if tr '\0' '\n' <"$environ" 2>/dev/null | grep -q "^BATON_LAB=$run/"; then
      pid=${environ#/proc/}
      found="$found ${pid%/environ}"
    fi
  done
  [ -n "$found" ] || break
  # shellcheck disable=SC2086  # a list of numbers
  kill -KILL $found 2>/dev/null
  sleep 0.2
done
[ "$keep" = 1 ] || rm -rf "$folder"
