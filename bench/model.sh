# Sourced by the scripts that measure whole commands: builds the tool and the generator, and makes the model where it is not there yet.
# Takes the script's arguments [1b|4b] [runs] [folder]; sets model, runs, folder, lora and models. default_runs is the script's own.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
model=${1:-1b}
runs=${2:-$default_runs}
folder=${3:-$(mktemp -d)}
lora=(dotnet src/Tool/bin/Release/net10.0/LoraKit.Tool.dll)
models=(dotnet bench/LoraKit.Models/bin/Release/net10.0/LoraKit.Models.dll)
for project in src/Tool bench/LoraKit.Models; do dotnet build -c Release "$project" -v quiet --nologo >/dev/null; done
[ -d "$folder/$model" ] || "${models[@]}" make --model "$model" --out "$folder/$model"
