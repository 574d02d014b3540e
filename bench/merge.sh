#!/usr/bin/env bash
# A whole merge against copying the base, side by side: bench/merge.sh [1b|4b] [runs] [folder]
# Prints wall times, their ratios pair by pair, and the merge's peak memory. Needs /usr/bin/time and room for two copies of the model.
set -euo pipefail
default_runs=5
source "$(dirname "$0")/model.sh" "$@"
base=$folder/$model/base
adapter=$folder/$model/adapter

seconds() { # of a command; its peak memory in KiB goes to $folder/memory
  rm -rf "$folder/copy" "$folder/merged"
  sync
  cat "$base"/* "$adapter"/* >/dev/null
  /usr/bin/time -f '%e %M' -o "$folder/time" "$@" >"$folder/output" 2>&1 || { cat "$folder/output" >&2; return 1; }
  cut -d' ' -f2 "$folder/time" >"$folder/memory"
  cut -d' ' -f1 "$folder/time"
}

pairs() { # of what to call it, the copy, the merge
  echo "$1: copy, merge, ratio, MiB"
  for ((i = 0; i < runs; i++)); do
    copied=$(seconds bash -c "$2")
    merged=$(seconds "${lora[@]}" merge --base "$base" --adapter "$adapter" --out "$folder/merged" --quiet "${@:3}")
    awk -v c="$copied" -v m="$merged" -v k="$(cat "$folder/memory")" 'BEGIN { printf "  %6.2f s  %6.2f s  %5.2f  %4.0f\n", c, m, m / c, k / 1024 }'
  done
}

pairs "page cache (--no-fsync, cp -r)" "cp -r '$base' '$folder/copy'" --no-fsync
pairs "on the disk (default, cp -r and sync of the files)" "cp -r '$base' '$folder/copy' && sync '$folder'/copy/*"
"${models[@]}" check --base "$base" --adapter "$adapter" --merged "$folder/merged"
