#!/usr/bin/env bash
# An extraction against full SVDs, in turns in one process: bench/extract.sh [1b|tiny] [rounds] [folder]
# The tuned model is the base with an adapter of rank 16 merged in, so that its BF16 rounding is the noise. Needs room for two copies of the model.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${1:-1b}
rounds=${2:-3}
folder=${3:-$(mktemp -d)}
for project in src/Tool bench/LoraKit.Models bench/LoraKit.Bench; do dotnet build -c Release "$project" -v quiet --nologo >/dev/null; done
[ -d "$folder/$model" ] || dotnet bench/LoraKit.Models/bin/Release/net10.0/LoraKit.Models.dll make --model "$model" --out "$folder/$model"
[ -d "$folder/$model/tuned" ] || dotnet src/Tool/bin/Release/net10.0/LoraKit.Tool.dll merge \
  --base "$folder/$model/base" --adapter "$folder/$model/adapter" --out "$folder/$model/tuned" --quiet
dotnet bench/LoraKit.Bench/bin/Release/net10.0/LoraKit.Bench.dll extract "$folder/$model/base" "$folder/$model/tuned" "$rounds"
