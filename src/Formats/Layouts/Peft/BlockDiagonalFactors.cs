using System.Text.Json.Nodes;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft;

/// <summary>
/// BD-LoRA (<c>use_bdlora</c>): A [r, in/n] or B [out, r/n] holds the n blocks of a block-diagonal factor alone, one below the other. Which of
/// the two is packed is said by parts of the module's name. Source: arXiv 2510.23346, PEFT.
/// </summary>
internal sealed class BlockDiagonalFactors
{
    private const string Setting = "use_bdlora";

    private readonly JsonSettings _settings;
    private readonly IReadOnlyList<string> _downs;
    private readonly IReadOnlyList<string> _ups;
    private readonly long _blocks;
    private readonly bool _isStrict;

    /// <exception cref="InvalidAdapterException">The setting is no object, or a member of it has a value of the wrong type.</exception>
    public BlockDiagonalFactors(JsonSettings settings)
    {
        JsonObject members = settings.Json[Setting] as JsonObject ?? throw settings.Wrong(Setting, settings.Json[Setting], "an object");
        _settings = new JsonSettings(members, settings.Path);
        _downs = _settings.Texts("target_modules_bd_a") ?? [];
        _ups = _settings.Texts("target_modules_bd_b") ?? [];
        _blocks = _settings.WholeNumber("nblocks", 1);
        _isStrict = !members.ContainsKey("match_strict") || _settings.Flag("match_strict");
        if (_blocks <= 0) throw _settings.Wrong("nblocks", members["nblocks"], "a number of blocks above 0");
    }

    /// <summary>The factors of a module at their full sizes.</summary>
    /// <exception cref="InvalidAdapterException">Both or neither are named as packed, or a size does not divide.</exception>
    /// <exception cref="UnsupportedException">The module is a convolution.</exception>
    public (TensorValue Down, TensorValue Up) Unpack(ModuleName module, TensorValue down, TensorValue up)
    {
        bool isDown = _downs.Any(part => module.Path.Contains(part, StringComparison.Ordinal)), isUp = _ups.Any(part => module.Path.Contains(part, StringComparison.Ordinal));
        if (isDown && isUp) throw Wrong(module, down, "is named by both target_modules_bd_a and target_modules_bd_b; expected one");
        if (!isDown && !isUp)
        {
            return !_isStrict ? (down, up) : throw Wrong(module, down, "is named by neither target_modules_bd_a nor target_modules_bd_b, and match_strict is set; expected one");
        }

        if (down.Shape.Rank != 2 || up.Shape.Rank != 2) throw new UnsupportedException($"{Printable.Text(down.File ?? "")}: module '{Printable.Text(module.Path)}' has factors of a convolution, which PEFT has no BD-LoRA for", down.File, down.Name);
        TensorValue packed = isDown ? down : up;
        if (packed.Shape[0] % _blocks != 0) throw Wrong(module, packed, $"has {(isDown ? "A" : "B")} {packed.Shape}, whose {packed.Shape[0]} rows are no {_blocks} equal blocks ('nblocks')");
        if (packed.Shape[1] > long.MaxValue / _blocks) throw Wrong(module, packed, $"has a {packed.Shape} factor, of which {_blocks} blocks are larger than a tensor can be");
        BlockDiagonalTensor full = new(packed, _blocks);
        return isDown ? (full, up) : (down, full);
    }

    private static InvalidAdapterException Wrong(ModuleName module, TensorValue tensor, string what) =>
        new($"{Printable.Text(tensor.File ?? "")}: module '{Printable.Text(module.Path)}' {what}", tensor.File, tensor.Name);
}
