using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Tests.Merge;

namespace LoraKit.Ops.Tests.Verify;

/// <summary>What verify takes for the terms of an element's sum is no less than they are, in naive loops.</summary>
public class KindTermsTests
{
    private const int Rows = 5, Columns = 8;
    private const double Weight = -0.7;

    private static readonly ParameterName Target = new(new("x"), "weight");

    public static TheoryData<string> Rotations => ["oft", "boft", "hra"];

    [Theory]
    [MemberData(nameof(Rotations))]
    public void A_rotated_row_has_terms_of_its_length(string kind)
    {
        AdapterDelta delta = Rotation(kind, Columns, []);
        double[] w = Values(Rows * Columns, 1), identity = new double[Columns * Columns];
        for (int i = 0; i < Columns; i++) identity[(i * Columns) + i] = 1;
        double[] matrix = KindRows.Merge(Rotation(kind, Columns, [.. Enumerable.Repeat(1.0, Columns)]), new(Columns, Columns), identity);
        double[] outputs = kind == "boft" ? Outputs : [.. Enumerable.Repeat(1.0, Rows)];
        double[] terms = KindRows.Terms(delta, new(Rows, Columns), w, Weight);
        for (int i = 0; i < Rows; i++)
        {
            double longest = 0;
            for (int j = 0; j < Columns; j++)
            {
                double sum = 0;
                for (int k = 0; k < Columns; k++) sum += Math.Abs(w[(i * Columns) + k] * matrix[(k * Columns) + j]);
                longest = Math.Max(longest, sum * Math.Abs(Weight * outputs[i]));
                Assert.True(terms[(i * Columns) + j] >= sum * Math.Abs(Weight * outputs[i]));
            }

            Assert.InRange(terms[i * Columns], longest, Math.Sqrt(Columns) * longest);
        }
    }

    [Theory]
    [MemberData(nameof(Rotations))]
    [InlineData("hira")]
    public void A_weight_stored_turned_has_the_same_terms_turned(string kind)
    {
        AdapterDelta delta = kind == "hira" ? Hira : Rotation(kind, Columns, []);
        double[] w = Values(Rows * Columns, 2);
        double[] asIs = KindRows.Terms(delta, new(Rows, Columns), w, Weight);
        double[] turned = KindRows.Terms(delta, new(Columns, Rows), Turned(w, Rows, Columns), Weight, transposed: true);
        foreach ((double one, double other) in asIs.Zip(Turned(turned, Columns, Rows)))
        {
            Assert.True(one > 0);
            Assert.InRange(other, one * (1 - 1e-12), one * (1 + 1e-12));
        }
    }

    [Fact]
    public void Factors_that_cancel_under_the_weight_are_terms()
    {
        double[] w = Values(Rows * Columns, 3), terms = KindRows.Terms(Hira, new(Rows, Columns), w, Weight);
        double[] change = KindRows.Merge(Hira, new(Rows, Columns), w, Weight);
        for (int i = 0; i < Rows; i++)
        {
            for (int j = 0; j < Columns; j++)
            {
                int at = (i * Columns) + j;
                // Two ranks of opposite signs, so nothing is left of their sum.
                Assert.Equal(w[at], change[at]);
                double each = Math.Abs(Weight * w[at] * Up[i] * Down[j]);
                Assert.InRange(terms[at], 2 * each * (1 - 1e-12), 2 * each * (1 + 1e-12));
            }
        }
    }

    private static double[] Outputs { get; } = [1.5, -2, 0.25, 1, 3];

    private static double[] Up { get; } = Values(Rows, 4);

    private static double[] Down { get; } = Values(Columns, 5);

    private static HiraDelta Hira { get; } = new(
        Target, new MemoryTensor("A", new(2, Columns), [.. Down, .. Down.Select(value => -value)]),
        new MemoryTensor("B", new(Rows, 2), [.. Up.SelectMany(value => new[] { value, value })]));

    /// <summary>A rotation of the inputs; BOFT's with factors of its own for the outputs, unless others are given.</summary>
    private static AdapterDelta Rotation(string kind, int columns, double[] outputs)
    {
        if (outputs.Length == 0) outputs = Outputs;
        return kind switch
        {
            "oft" => new OftDelta(Target, new MemoryTensor("R", new(2, 6), Values(12, 6)), new() { Series = OftSeries.Cayley }),
            "boft" => new BoftDelta(Target, new MemoryTensor("R", new(2, 2, 4, 4), Values(64, 7)), new MemoryTensor("s", new(outputs.Length, 1), outputs)),
            _ => new HraDelta(Target, new MemoryTensor("u", new(columns, 3), Values(columns * 3, 8)), isOrthonormalised: false),
        };
    }

    private static double[] Values(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextDouble() * 2) - 1)];
    }

    private static double[] Turned(double[] matrix, int rows, int columns) =>
        [.. Enumerable.Range(0, matrix.Length).Select(i => matrix[(i % rows * columns) + (i / rows)])];
}
