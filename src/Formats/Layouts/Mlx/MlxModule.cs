using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Mlx;

/// <summary>An update that the layout has words for: factors of a weight, around them DoRA's magnitudes or not, or of a stack of experts.</summary>
internal sealed class MlxModule
{
    private readonly AdapterDelta _delta;
    private readonly ExpertsDelta? _experts;
    private readonly LowRankDelta? _product;

    private MlxModule(AdapterDelta delta, ExpertsDelta? experts, LowRankDelta? product) => (_delta, _experts, _product) = (delta, experts, product);

    /// <summary>Its multiplier.</summary>
    public double Scale => _experts?.Scale ?? _product!.Scale;

    /// <summary>Its rank; each expert's.</summary>
    public long Rank => _experts?.Rank ?? _product!.Rank;

    /// <summary>DoRA's magnitudes; null without.</summary>
    public TensorValue? Magnitude => (_delta as MagnitudeDelta)?.Magnitude;

    /// <summary>The module's name in the file.</summary>
    public string Name => MlxKey.NameOf(_delta);

    /// <summary>An update of these kinds; null for another.</summary>
    public static MlxModule? Of(AdapterDelta delta) => delta switch
    {
        ExpertsDelta experts => new(delta, experts, null),
        LowRankDelta product when IsMatrix(product) => new(delta, null, product),
        MagnitudeDelta { Magnitude: not null, Axis: MagnitudeAxis.Output, Norm: DoraNorm.Updated, Epsilon: 0, Inner: LowRankDelta product } when IsMatrix(product) => new(delta, null, product),
        _ => null,
    };

    /// <summary>lora_a and lora_b.</summary>
    public (TensorValue A, TensorValue B) Factors() => _experts is not null ? MlxExperts.Factors(_experts)
        : _product!.IsEmbedding ? (_product.Up, _product.Down)
        : (TransposedTensor.Of(_product.Down), TransposedTensor.Of(_product.Up));

    /// <summary>The same update at another scale, by which B makes up for it, and a rank that is not lower, filled up with zeros.</summary>
    public AdapterDelta At(double scale, long rank)
    {
        if ((scale, rank) == (Scale, Rank)) return _delta;
        if (_experts is not null)
        {
            (long experts, long inputs, long outputs) = (_experts.Experts, _experts.Down.Shape[1], _experts.Up.Shape[0]);
            TensorValue down = ReshapedTensor.Of(_experts.Down, new TensorShape(experts, Rank * inputs)), up = _experts.Up;
            bool isByExpert = _experts.Order == ExpertColumns.ExpertMajor;
            // By rank, what is new stands behind all.
            if (isByExpert) up = ReshapedTensor.Of(up, new TensorShape(outputs * experts, Rank));
            up = ReshapedTensor.Of(PaddedTensor.Columns(up, isByExpert ? rank : rank * experts), new TensorShape(outputs, rank * experts));
            down = ReshapedTensor.Of(PaddedTensor.Columns(down, rank * inputs), new TensorShape(experts * rank, inputs));
            return _experts.With(down, ScaledTensor.Of(up, Scale, scale), scale, scale * rank);
        }

        LowRankDelta product = _product!.With(PaddedTensor.Rows(_product.Down, rank), ScaledTensor.Of(PaddedTensor.Columns(_product.Up, rank), Scale, scale), scale, scale * rank);
        return _delta is MagnitudeDelta dora ? dora.With(product) : product;
    }

    private static bool IsMatrix(LowRankDelta product) => product is { Down: not TuckerDown, Down.Shape.Rank: 2, Up.Shape.Rank: 2 };
}
