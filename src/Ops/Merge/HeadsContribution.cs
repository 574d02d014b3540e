using LoraKit.Formats.Adapters;
using LoraKit.Formats.Adapters.Contributions;
using LoraKit.Formats.Layouts.Gguf;

namespace LoraKit.Ops.Merge;

/// <summary>An update of a weight whose rows the base has in llama.cpp's order: each row of the tensor gets the update's of the same output.</summary>
/// <param name="update">The update, in Hugging Face's order.</param>
/// <param name="context">What the tensor is.</param>
/// <param name="heads">How many heads its rows are.</param>
internal sealed class HeadsContribution(IContribution update, ContributionContext context, long heads) : IContribution
{
    /// <summary>The same of an update that is yet to be prepared: what it sees of the base is in its own order.</summary>
    public static IContribution Of(AdapterDelta delta, long heads, ContributionContext context)
    {
        IBaseRows? @base = context.BaseRows is { } rows ? new OwnOrder(rows, context, heads) : null;
        return new HeadsContribution(delta.Prepare(context with { BaseRows = @base }), context, heads);
    }

    public void Add(long firstRow, int rows, double weight, ReadOnlySpan<double> @base, Span<double> sum)
    {
        for (int i = 0; i < rows; i++)
        {
            update.Add(HeadRows.InHugging(firstRow + i, context.Rows, heads), 1, weight, @base.IsEmpty ? default : Row(@base, i), Row(sum, i));
        }
    }

    public void AddTerms(long firstRow, int rows, double weight, Span<double> sum)
    {
        for (int i = 0; i < rows; i++)
        {
            update.AddTerms(HeadRows.InHugging(firstRow + i, context.Rows, heads), 1, weight, Row(sum, i));
        }
    }

    public void Dispose() => update.Dispose();

    private Span<double> Row(Span<double> rows, int row) => rows.Slice(row * context.Columns, context.Columns);

    private ReadOnlySpan<double> Row(ReadOnlySpan<double> rows, int row) => rows.Slice(row * context.Columns, context.Columns);

    private sealed class OwnOrder(IBaseRows stored, ContributionContext context, long heads) : IBaseRows
    {
        public void Read(long firstRow, int rows, Span<double> values)
        {
            for (int i = 0; i < rows; i++)
            {
                stored.Read(HeadRows.InGguf(firstRow + i, context.Rows, heads), 1, values.Slice(i * context.Columns, context.Columns));
            }
        }
    }
}
