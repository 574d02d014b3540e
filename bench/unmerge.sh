#!/usr/bin/env bash
# A merge with and without its undo record, and the way back: bench/unmerge.sh [1b|4b] [runs] [folder]
# Prints wall times and their ratios to the plain merge, the record's share of the changed bytes, and compares the restored base with the base.
# Needs /usr/bin/time and room for three copies of the model.
set -euo pipefail
default_runs=5
source "$(dirname "$0")/model.sh" "$@"
base=$folder/$model/base
adapter=$folder/$model/adapter

seconds() { # of a command after its output was removed; its peak memory in KiB goes to $folder/memory
  rm -rf "$1"
  sync
  /usr/bin/time -f '%e %M' -o "$folder/time" "${@:2}" >"$folder/output" 2>&1 || { cat "$folder/output" >&2; return 1; }
  cut -d' ' -f2 "$folder/time" >"$folder/memory"
  cut -d' ' -f1 "$folder/time"
}

for flush in --no-fsync ""; do
  echo "merge, with --undo (MiB), unmerge --undo (MiB), unmerge --adapter, unmerge --base ${flush}"
  for ((i = 0; i < runs; i++)); do
    cat "$base"/* "$adapter"/* >/dev/null
    plain=$(seconds "$folder/merged" "${lora[@]}" merge --base "$base" --adapter "$adapter" --out "$folder/merged" --quiet $flush)
    rm -f "$folder/undo.safetensors"
    undo=$(seconds "$folder/merged" "${lora[@]}" merge --base "$base" --adapter "$adapter" --out "$folder/merged" --undo "$folder/undo.safetensors" --quiet $flush)
    undoMemory=$(cat "$folder/memory")
    said=$(tail -n 1 "$folder/output")
    back=$(seconds "$folder/restored" "${lora[@]}" unmerge --merged "$folder/merged" --undo "$folder/undo.safetensors" --out "$folder/restored" --quiet $flush)
    backMemory=$(cat "$folder/memory")
    diff -r "$base" "$folder/restored"
    subtracted=$(seconds "$folder/restored" "${lora[@]}" unmerge --merged "$folder/merged" --adapter "$adapter" --out "$folder/restored" --quiet $flush)
    copied=$(seconds "$folder/restored" "${lora[@]}" unmerge --merged "$folder/merged" --base "$base" --out "$folder/restored" --quiet $flush)
    awk -v p="$plain" -v u="$undo" -v b="$back" -v s="$subtracted" -v c="$copied" -v um="$undoMemory" -v bm="$backMemory" \
      'BEGIN { printf "  %.2f s  %.2f s = %.2f × (%d)  %.2f s = %.2f × (%d)  %.2f s = %.2f ×  %.2f s = %.2f ×\n", p, u, u / p, um / 1024, b, b / p, bm / 1024, s, s / p, c, c / p }'
  done
  echo "  $said"
done
