using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Tests.Layouts;

/// <summary>What an adapter does to a base tensor, in doubles and by the definitions.</summary>
internal static class NaiveMerge
{
    public static void Replace(double[] values, Replacement replacement)
    {
        double[] with = replacement.Values.ToDoubles();
        if (replacement.Rows is null)
        {
            with.CopyTo(values, 0);
            return;
        }

        int width = with.Length / replacement.Rows.Count;
        for (int i = 0; i < replacement.Rows.Count; i++) with.AsSpan(i * width, width).CopyTo(values.AsSpan((int)replacement.Rows[i] * width));
    }

    public static void Add(double[] values, TensorShape shape, AdapterDelta delta)
    {
        if (delta is DenseDelta dense)
        {
            double[] add = dense.Values.ToDoubles();
            for (int i = 0; i < values.Length; i++) values[i] += dense.Scale * add[i];
            return;
        }

        LowRankDelta lora = (LowRankDelta)delta;
        (double[] down, double[] up) = (lora.Down.ToDoubles(), lora.Up.ToDoubles());
        (int rank, int outs, int ins) = ((int)lora.Rank, (int)lora.OutFeatures, (int)lora.InFeatures);
        bool isOutIn = shape.AsMatrix() == (outs, ins) && !(lora.Orientation == WeightOrientation.FromShape && outs == ins && lora.SquareIsInOut);
        for (int o = 0; o < outs; o++)
        {
            for (int i = 0; i < ins; i++)
            {
                double sum = 0;
                for (int r = 0; r < rank; r++) sum += up[(o * rank) + r] * down[(r * ins) + i];
                values[isOutIn ? (o * ins) + i : (i * outs) + o] += lora.Scale * sum;
            }
        }
    }
}
