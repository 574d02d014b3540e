using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Merge;

namespace LoraKit.Ops.Conversion.Regrouping;

/// <summary>
/// Updates of parts as the update of the weight that they are, exactly: A is all of theirs one below the other, B has each of theirs at its rows and its columns; where all have the same A it
/// stays as it is, and B is theirs one below the other. See spec/algebra.md, "Fused weights".
/// </summary>
internal sealed class FusedUpdate(ParameterName target, long[] parts, FactorType type, bool withValues)
{
    /// <summary>Whether updates of parts can be put together: all plain LoRA; all full differences or all DoRA of outputs, and none lacks.</summary>
    public static bool Can(IReadOnlyCollection<AdapterDelta> deltas, int parts) =>
        deltas.All(RowsOfUpdate.Has) && (deltas.All(delta => delta is LowRankDelta)
            || (deltas.Count == parts && (deltas.All(delta => delta is DenseDelta) || deltas.All(delta => delta is MagnitudeDelta { Inner: LowRankDelta }))));

    /// <param name="updates">Those that are there, each with its part.</param>
    /// <exception cref="UnsupportedException">They are not all of one kind.</exception>
    public AdapterDelta Of(IReadOnlyList<(int Part, AdapterDelta Delta)> updates) => updates[0].Delta switch
    {
        LowRankDelta => OfFactors([.. updates.Select(update => (update.Part, Expect<LowRankDelta>(update.Delta)))]),
        DenseDelta first => new DenseDelta(target, Stacked("values", [.. updates.Select(update => Scaled(Expect<DenseDelta>(update.Delta).Values, Expect<DenseDelta>(update.Delta).Scale / Nonzero(first.Scale)))]), Nonzero(first.Scale)),
        MagnitudeDelta first => new MagnitudeDelta(
            OfFactors([.. updates.Select(update => (update.Part, Expect<LowRankDelta>(Expect<MagnitudeDelta>(update.Delta).Inner)))]),
            Stacked("magnitude", [.. updates.Select(update => Expect<MagnitudeDelta>(update.Delta).Magnitude!)]), first.Axis, first.Norm, first.Epsilon),
        var other => throw Unlike(other),
    };

    private LowRankDelta OfFactors(IReadOnlyList<(int Part, LowRankDelta Lora)> updates)
    {
        LowRankDelta first = updates[0].Lora;
        double scale = Nonzero(updates.Select(update => update.Lora.Scale).FirstOrDefault(s => s != 0));
        TensorValue[] ups = Alike([.. updates.Select(update => Scaled(update.Lora.Up, update.Lora.Scale / scale))]);
        bool isShared = updates.Count == 1 || (withValues && updates.Skip(1).All(update => SameValues.Are(first.Down, update.Lora.Down)));
        TensorValue down = isShared ? first.Down : Stacked("down", [.. updates.Select(update => update.Lora.Down)]);
        List<MatrixBlock> blocks = [];
        long column = 0;
        for (int i = 0; i < ups.Length; i++)
        {
            blocks.Add(new(ups[i], parts[..updates[i].Part].Sum(), column));
            if (!isShared) column += updates[i].Lora.Rank;
        }

        TensorShape shape = new([parts.Sum(), down.Shape[0], .. first.Up.Shape.Sizes.AsSpan()[2..]]);
        return new LowRankDelta(target, down, new BlockMatrix($"{target.Path}.up", shape, blocks), scale, scale * down.Shape[0], first.Orientation);
    }

    /// <summary>Tensors one below the other, in one element type.</summary>
    private BlockMatrix Stacked(string name, TensorValue[] tensors)
    {
        TensorValue[] alike = Alike(tensors);
        List<MatrixBlock> blocks = [];
        long row = 0;
        foreach (TensorValue tensor in alike)
        {
            blocks.Add(new(tensor, row, 0));
            row += tensor.Shape[0];
        }

        return new BlockMatrix($"{target.Path}.{name}", new TensorShape([row, .. alike[0].Shape.Sizes.AsSpan()[1..]]), blocks);
    }

    /// <summary>In the widest type of them, where they differ.</summary>
    private TensorValue[] Alike(TensorValue[] tensors)
    {
        DType[] types = [.. tensors.Select(tensor => tensor.DType).Distinct()];
        if (types.Length == 1) return tensors;
        DType wide = types.Contains(DType.F64) ? DType.F64 : DType.F32;
        return [.. tensors.Select(tensor => tensor.DType == wide ? tensor : Store(tensor, 1, wide, FactorType.Keep))];
    }

    private TensorValue Scaled(TensorValue tensor, double factor) => factor == 1 ? tensor : Store(tensor, factor, tensor.DType, type);

    private ComputedTensor Store(TensorValue tensor, double factor, DType source, FactorType wanted)
    {
        if (!withValues) return new ComputedTensor(tensor.Name, DType.F32, tensor.Shape, (_, bytes) => bytes.Clear());
        double[] values = tensor.ToDoubles();
        for (int i = 0; i < values.Length; i++) values[i] *= factor;
        // A type that was named is rounded to once, when everything is computed.
        return wanted.Fixed() is null
            ? FactorStore.Store(tensor.Name, tensor.Shape, values, source, wanted)
            : FactorStore.Store(tensor.Name, tensor.Shape, values, DType.F64, FactorType.Keep);
    }

    private static double Nonzero(double scale) => scale == 0 ? 1 : scale;

    private T Expect<T>(AdapterDelta delta)
        where T : AdapterDelta => delta as T ?? throw Unlike(delta);

    private UnsupportedException Unlike(AdapterDelta delta) => new(
        $"'{Printable.Text(target.Path)}' is put together of updates of different kinds: '{Printable.Text(delta.Target.Path)}' is of kind {(delta.Facts.Dora ? "dora" : delta.Kind)}; expected one kind, plain LoRA or DoRA "
        + "of outputs; make it plain LoRA first (convert to its own layout with --rank)", tensor: delta.Target.Path);
}
