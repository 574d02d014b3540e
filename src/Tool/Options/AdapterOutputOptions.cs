using System.CommandLine;
using LoraKit.Ops.Adapters;

namespace LoraKit.Tool.Options;

/// <summary>Where and how a command writes an adapter: <c>--out</c>, <c>--dtype</c> and <see cref="WriteOptions"/>.</summary>
internal sealed class AdapterOutputOptions
{
    private readonly Option<string> _output = PathArgument.RequiredOption(
        "--out", "Where the adapter goes: a folder, or a .safetensors file for a layout of one file");

    private readonly Option<FactorType?> _type = ChoiceOption.Create<FactorType>(
        "--dtype", "TYPE",
        "The element type of computed factors: exact (the source's where that is exact, else f32), keep (the source's), f32, f16 or bf16 (default: exact)",
        "element type",
        ("exact", FactorType.Exact), ("keep", FactorType.Keep), ("f32", FactorType.F32), ("f16", FactorType.F16), ("bf16", FactorType.BF16));

    private readonly WriteOptions _write;

    public AdapterOutputOptions(Command command)
    {
        command.Options.Add(_output);
        command.Options.Add(_type);
        _write = new WriteOptions(command);
    }

    /// <summary>The output, and whether only the plan is wanted.</summary>
    public (AdapterOutput Output, bool DryRun) Read(ParseResult parsed)
    {
        WriteSettings write = _write.Read(parsed);
        AdapterOutput output = new(parsed.GetRequiredValue(_output))
        {
            ElementType = parsed.GetValue(_type) ?? FactorType.Exact,
            Overwrite = write.Force,
            Flush = write.Flush,
        };
        return (output, write.DryRun);
    }
}
