using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Adapters;

/// <summary>
/// The update ΔW of one parameter. A closed family: one class per kind, each in its own file, which states the kind's equation and makes
/// rows of ΔW, so that every merge runs in row tiles. See spec/algebra.md, "Kinds".
/// </summary>
public abstract class AdapterDelta
{
    private IReadOnlyList<AdapterDelta>? _readings;

    private protected AdapterDelta(ParameterName target) => Target = target;

    /// <summary>What it updates.</summary>
    public ParameterName Target { get; private set; }

    /// <summary>The kind in the field's words: <c>lora</c>, <c>loha</c>, <c>dense</c>, …</summary>
    public abstract string Kind { get; }

    /// <summary>The tensors it is made of, for inspection and for finding NaN.</summary>
    public abstract IReadOnlyList<TensorValue> Tensors { get; }

    /// <summary>The update's shape as [out, in, …kernel], or that of a vector; null where only the base tells it.</summary>
    public abstract TensorShape? Shape { get; }

    /// <summary>Rank, alpha, scale, for reports.</summary>
    public virtual DeltaFacts Facts => default;

    /// <summary>How the base stores the weight: where it is [in, out], the stored update is ΔWᵀ.</summary>
    public WeightOrientation Orientation { get; init; } = WeightOrientation.OutIn;

    /// <summary>For <see cref="WeightOrientation.FromShape"/> on a square matrix: whether the file says it is [in, out].</summary>
    public bool SquareIsInOut { get; init; }

    /// <summary>
    /// Whether the module is an embedding: its weight is [vocabulary, dimension], and ΔW has a row per word. Layouts may name and turn the
    /// factors of such an update differently.
    /// </summary>
    public bool IsEmbedding { get; init; }

    /// <summary>Whether a base without the target is no miss: the bias that IA3 would scale, where the layer has none.</summary>
    public bool IsOptional { get; init; }

    /// <summary>The tensor that states alpha, in a layout that has one: written back as long as it tells the scale.</summary>
    internal TensorValue? AlphaTensor { get; init; }

    /// <summary>Whether ΔW depends on the base's weight W.</summary>
    public virtual bool NeedsBase => false;

    /// <summary>
    /// Whether ΔW has the same bits on every machine: it is made with +, −, ×, ÷ and √ alone, element by element or through
    /// <see cref="IContributionArithmetic"/>. Sines and exponentials are not the same everywhere.
    /// </summary>
    internal virtual bool IsReproducible => !NeedsBase;

    /// <summary>How many leading dimensions of the stored tensor count as rows: 1, and 2 for a stack of experts [E, …, …].</summary>
    internal virtual int RowDimensions => 1;

    /// <summary>
    /// What the tensors may mean, this first: the same factors as updates of other parameters, where the file leaves open which it is and the
    /// base's shapes tell. Mostly this alone.
    /// </summary>
    internal IReadOnlyList<AdapterDelta> Readings => _readings ?? [this];

    /// <summary>Whether it updates a weight of this shape, given as [out, in, …kernel].</summary>
    internal virtual bool Fits(TensorShape weight) => Shape is { } shape && shape == weight;

    /// <summary>
    /// Whether an update that its program reshapes to the weight's has room in it: the same matrix, and the same inputs where both have a
    /// kernel. Files keep the kernel of some flat, [out, in·kernel].
    /// </summary>
    private protected static bool FitsReshaped(TensorShape update, TensorShape weight) =>
        weight.Rank >= 2 && update.AsMatrix() == weight.AsMatrix() && (update.Rank == 2 || weight.Rank == 2 || update[1] == weight[1]);

    /// <summary>A pair of factors is A [r, in…] and B [out, r].</summary>
    private protected static void RequireChain(ParameterName target, TensorValue down, TensorValue up)
    {
        RequireValues(target, down);
        RequireValues(target, up);
        if (down.Shape.Rank >= 2 && up.Shape.Rank >= 2 && down.Shape[0] == up.Shape[1] && up.Shape.AsMatrix().Columns == up.Shape[1]) return;
        throw Unfit(target, down, $"A {down.Shape} and B {up.Shape} do not chain; expected A [r, in…] and B [out, r]");
    }

    /// <summary>The shape it wants, for the message that there is another: <c>[64, 32]</c>.</summary>
    internal virtual string Wanted => Shape?.ToString() ?? "another shape";

    /// <summary>Reads what all rows share. What it returns makes rows of ΔW, scale included, from several threads at once.</summary>
    /// <exception cref="LoraKitException">A value is not finite, or a size is beyond what fits in memory.</exception>
    internal abstract IContribution Prepare(ContributionContext context);

    /// <summary>As <see cref="Prepare"/>, but rows of ΔWᵀ as the base stores it, where the kind has them at less cost than all of ΔW; null elsewhere.</summary>
    /// <param name="context">What it meets, as stored: rows and columns are the weight's columns and rows.</param>
    internal virtual IContribution? PrepareTurned(ContributionContext context) => null;

    /// <summary>
    /// ΔW as a product of low rank, exactly and without the base, where the kind has such a form at less cost than ΔW itself; null elsewhere.
    /// </summary>
    internal virtual LowRankFactors? ExactFactors() => null;

    /// <summary>The same for kinds whose file does not tell the weight's shape.</summary>
    /// <param name="weight">[out, in, …kernel], which it fits.</param>
    internal virtual LowRankFactors? ExactFactors(TensorShape weight) => ExactFactors();

    /// <summary>Sets what else the tensors may mean; this is the first of them.</summary>
    internal AdapterDelta WithReadings(IReadOnlyList<AdapterDelta> readings)
    {
        _readings = readings;
        return this;
    }

    /// <summary>The same update under another name: tensors, orientation and all else stay.</summary>
    /// <param name="target">What it updates then. Of its other <see cref="Readings"/>, the module is renamed and the parameter stays.</param>
    internal AdapterDelta Renamed(ParameterName target)
    {
        AdapterDelta renamed = RenamedAlone(target);
        renamed._readings = _readings is null ? null
            : [.. _readings.Select(reading => reading == this ? renamed : reading.RenamedAlone(reading.Target with { Module = target.Module }))];
        return renamed;
    }

    /// <summary>A copy of that name, with its inner updates of the same; readings are not looked at.</summary>
    private protected virtual AdapterDelta RenamedAlone(ParameterName target)
    {
        AdapterDelta renamed = (AdapterDelta)MemberwiseClone();
        renamed.Target = target;
        return renamed;
    }

    /// <summary>An update is made of real numbers, and of at least one: an empty size would also defeat the checks of the others.</summary>
    internal static void RequireValues(ParameterName target, TensorValue tensor)
    {
        if (!tensor.DType.IsMergeable())
        {
            throw new InvalidAdapterException(
                $"{Where(target, tensor)}: tensor '{Printable.Text(tensor.Name)}' is stored as "
                + $"{tensor.DType.FileName()}; expected a float type (F32, BF16, F16, …)",
                tensor.File, tensor.Name);
        }

        if (tensor.Shape.ElementCount == 0)
        {
            throw new InvalidAdapterException(
                $"{Where(target, tensor)}: tensor '{Printable.Text(tensor.Name)}' of shape {tensor.Shape} is "
                + "empty", tensor.File, tensor.Name);
        }
    }

    /// <summary>A multiplier is a finite number.</summary>
    private protected static void RequireScale(ParameterName target, TensorValue tensor, double scale, string of)
    {
        if (double.IsFinite(scale)) return;
        throw new InvalidAdapterException($"{Where(target, tensor)}: the scale is {scale}; expected a finite number ({of})", tensor.File, tensor.Name);
    }

    /// <summary>What tensors whose shapes contradict each other are refused with.</summary>
    /// <param name="target">What they update.</param>
    /// <param name="tensor">The first of them.</param>
    /// <param name="what">Names, shapes and what was expected: <c>"hada_w1_a [4, 2] and hada_w1_b [3, 8] do not chain; expected …"</c>.</param>
    private protected static InvalidAdapterException Unfit(ParameterName target, TensorValue tensor, string what) =>
        new($"{Where(target, tensor)}: {what}", tensor.File, tensor.Name);

    /// <summary>The file, where there is one, and the module: how messages begin.</summary>
    private protected static string Where(ParameterName target, TensorValue tensor)
    {
        string module = $"module '{Printable.Text(target.Module.Path)}'";
        return tensor.File is { } file ? $"{Printable.Text(file)}: {module}" : module;
    }
}
