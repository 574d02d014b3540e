#!/usr/bin/env bash
# Merges of adapters of all kinds on one base, each against the plain LoRA merge of its round: bench/kinds.sh [1b|4b] [runs] [folder]
# Prints medians of the processor's and the wall's seconds, their ratios to LoRA's, and the peak memory, as rows of a table. Needs /usr/bin/time.
set -euo pipefail
default_runs=3
source "$(dirname "$0")/model.sh" "$@"
mapfile -t kinds < <("${models[@]}" kinds)

adapter() { # of a kind
  case $1 in
    lora) echo "$folder/$model/adapter" ;;
    diff) echo "$folder/$model/diff/adapter_model.safetensors" ;;
    *) echo "$folder/$model/$1" ;;
  esac
}

measure() { # a kind: appends processor seconds, wall seconds and KiB to its file
  rm -rf "$folder/merged"
  /usr/bin/time -f '%U %S %e %M' -o "$folder/time" "${lora[@]}" merge --base "$folder/$model/base" --adapter "$(adapter "$1")" --out "$folder/merged" --quiet --no-fsync
  awk '{ print $1 + $2, $3, $4 }' "$folder/time" >>"$folder/$1.times"
}

median() { # the file of a kind, a column
  cut -d' ' -f"$2" "$folder/$1.times" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

for kind in "${kinds[@]}"; do
  [ -d "$folder/$model/$kind" ] || "${models[@]}" kind --model "$model" --kind "$kind" --out "$folder/$model/$kind"
done
rm -f "$folder"/*.times
for ((i = 0; i < runs; i++)); do
  for kind in lora "${kinds[@]}"; do measure "$kind"; done
done
echo '| kind | processor | ratio | wall | ratio | peak memory |'
echo '|---|---:|---:|---:|---:|---:|'
for kind in lora "${kinds[@]}"; do
  awk -v k="$kind" -v c="$(median "$kind" 1)" -v c0="$(median lora 1)" -v w="$(median "$kind" 2)" -v w0="$(median lora 2)" -v m="$(median "$kind" 3)" \
    'BEGIN { printf "| %s | %.1f s | %.2f | %.1f s | %.2f | %.0f MiB |\n", k, c, c / c0, w, w / w0, m / 1024 }'
done
