using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge.PeftKinds;

/// <summary>PEFT's methods in sizes, options and layers of their own, each from its definition in whole matrices.</summary>
internal static class KindCases
{
    public static IReadOnlyDictionary<string, Func<Random, KindCase>> All { get; } = new Dictionary<string, Func<Random, KindCase>>
    {
        ["ia3 outputs"] = random => Ia3(random, [37, 53], [37, 1], byInput: false),
        ["ia3 inputs"] = random => Ia3(random, [37, 53], [1, 53], byInput: true),
        ["ia3 square inputs"] = random => Ia3(random, [24, 24], [1, 24], byInput: true),
        ["ia3 square outputs"] = random => Ia3(random, [24, 24], [24, 1], byInput: false),
        ["ia3 one output"] = random => Ia3(random, [1, 24], [1, 1], byInput: false),
        ["ia3 one input"] = random => Ia3(random, [24, 1], [1, 1], byInput: true),
        ["ia3 conv outputs"] = random => Ia3(random, [6, 6, 3, 2], [1, 6, 1, 1], byInput: false),
        ["ia3 conv inputs"] = random => Ia3(random, [6, 6, 3, 2], [1, 6, 1, 1], byInput: true),
        ["ia3 conv3d inputs"] = random => Ia3(random, [5, 7, 2, 1, 2], [1, 7, 1, 1, 1], byInput: true),
        ["ia3 Conv1D outputs"] = random => Ia3(random, [37, 53], [37, 1], byInput: false) with { Stores = true },
        ["ia3 Conv1D inputs"] = random => Ia3(random, [37, 53], [1, 53], byInput: true) with { Stores = true },
        ["oft cayley"] = random => Oft(random, [37, 36], 4, """ "use_cayley_neumann": false """, q => (One(q) - q) * (One(q) + q).Inverse()),
        ["oft one block"] = random => Oft(random, [5, 29], 29, """ "use_cayley_neumann": false """, q => (One(q) - q) * (One(q) + q).Inverse()),
        ["oft neumann"] = random => Oft(random, [37, 36], 9, """ "peft_version": "0.20.1" """, q => Series(q, 2, 2, 2, 1)),
        ["oft neumann 2"] = random => Oft(random, [37, 36], 3, """ "peft_version": "0.18.0.rc0", "num_cayley_neumann_terms": 2 """, q => Series(q, 2)),
        ["oft neumann 3"] = random => Oft(random, [37, 36], 3, """ "peft_version": "1.0", "num_cayley_neumann_terms": 3 """, q => Series(q, 2, 2, 1)),
        ["oft neumann 6"] = random => Oft(random, [37, 36], 12, """ "peft_version": "0.18.1@abc", "num_cayley_neumann_terms": 6 """, q => Series(q, 2, 2, 2, 2, 1)),
        ["oft neumann of 0.17"] = random => Oft(random, [37, 36], 4, """ "use_cayley_neumann": true """, q => Series(q, 2, 2, 2, 2)),
        ["oft shared"] = random => Oft(random, [37, 36], 4, """ "use_cayley_neumann": false, "block_share": true """, q => (One(q) - q) * (One(q) + q).Inverse(), stored: 1),
        ["oft constrained"] = random => Oft(random, [37, 36], 4, """ "use_cayley_neumann": false, "coft": true, "eps": 0.7 """, q =>
        {
            double length = Math.Sqrt(q.Values.Sum(x => x * x)), most = 0.7 / Math.Sqrt(9);
            q = length > most ? most / length * q : q;
            return (One(q) - q) * (One(q) + q).Inverse();
        }),
        ["oft conv"] = random => Oft(random, [7, 6, 3, 3], 18, """ "use_cayley_neumann": false """, q => (One(q) - q) * (One(q) + q).Inverse()),
        ["oft embedding"] = random => Oft(random, [61, 24], 8, """ "use_cayley_neumann": false """, q => (One(q) - q) * (One(q) + q).Inverse(), isEmbedding: true),
        ["boft one stage"] = random => Boft(random, [37, 30], 1, 6, 5),
        ["boft three stages"] = random => Boft(random, [13, 48], 3, 8, 6),
        ["boft conv"] = random => Boft(random, [7, 4, 2, 2], 2, 4, 4, isConvolution: true),
        ["hra"] = random => Hra(random, [37, 53], 5, "false"),
        ["hra orthonormalised"] = random => Hra(random, [37, 53], 5, "true"),
        ["hra above the inputs"] = random => Hra(random, [37, 3], 8, "false"),
        ["hra conv"] = random => Hra(random, [5, 6, 3, 3], 4, "false"),
        ["road 1"] = random => Road(random, 36, 23, 1, 12),
        ["road 2"] = random => Road(random, 36, 23, 2, 6),
        ["road 4"] = random => Road(random, 36, 23, 4, 36),
        ["road pairs"] = random => Road(random, 10, 53, 4, 2),
    };

    private static KindCase Ia3(Random random, long[] shape, long[] stored, bool byInput)
    {
        double[] l = Values(random, (int)stored.Aggregate(1L, (a, b) => a * b));
        int kernel = (int)shape[2..].Aggregate(1L, (a, b) => a * b);
        return new(
            $$"""{ "peft_type": "IA3", "feedforward_modules": [{{(byInput ? "\"x\"" : "\"other\"")}}] }""", shape, [("ia3_l", stored, l)],
            w => Naive.Of(w.Rows, w.Columns, (i, j) => w[i, j] * l[byInput ? j / kernel : i]),
            byInput ? null : b => Naive.Of(b.Rows, 1, (i, _) => b[i, 0] * l[i]));
    }

    private static KindCase Oft(Random random, long[] shape, int size, string settings, Func<Naive, Naive> rotation, int? stored = null, bool isEmbedding = false)
    {
        int inputs = (int)shape[1..].Aggregate(1L, (a, b) => a * b), count = inputs / size, values = size * (size - 1) / 2, blocks = stored ?? count;
        double[] triangles = [.. Values(random, blocks * values).Select(x => x / 4)];
        Naive[] rotations = [.. Enumerable.Range(0, count).Select(k => rotation(Skew(triangles[(k % blocks * values)..((k % blocks * values) + values)], size)))];
        Naive whole = Naive.BlockDiagonal(rotations);
        return new(
            $$"""{ "peft_type": "OFT", "r": 0, "oft_block_size": {{size}}, {{settings}} }""", shape, [(isEmbedding ? "oft_embedding_R.weight" : "oft_R.weight", [blocks, values], triangles)],
            w => isEmbedding ? w * whole : (whole * w.T).T);
    }

    private static KindCase Boft(Random random, long[] shape, int stages, int count, int size, bool isConvolution = false)
    {
        int inputs = count * size;
        double[] stored = Values(random, stages * inputs * size), s = Values(random, (int)shape[0]);
        Naive butterfly = Naive.Identity(inputs);
        for (int stage = 0; stage < stages; stage++)
        {
            Naive[] blocks = new Naive[count];
            for (int k = 0; k < count; k++)
            {
                int first = ((stage * count) + k) * size * size;
                Naive x = new(size, size, stored[first..(first + (size * size))]);
                Naive q = 0.5 * (x - x.T);
                blocks[k] = (One(q) - q) * (One(q) + q).Inverse();
            }

            int[] order = stages == 1 ? [.. Enumerable.Range(0, inputs)] : Order(inputs / (count >> stage), size / 2, inputs);
            Naive p = Naive.Of(inputs, inputs, (i, j) => order[i] == j ? 1 : 0);
            butterfly = p * Naive.BlockDiagonal(blocks) * p.T * butterfly;
        }

        return new(
            $$"""{ "peft_type": "BOFT", "boft_block_size": {{size}}, "boft_block_num": 0, "boft_n_butterfly_factor": {{stages}} }""", shape,
            [("boft_R", [stages, count, size, size], stored), ("boft_s", isConvolution ? [1, shape[0]] : [shape[0], 1], s)],
            w => Naive.Of(w.Rows, w.Columns, (i, j) => s[i] * (butterfly * w.T)[j, i]));

        // Parts of this length; in each the half-blocks at even places, then those at odd ones.
        static int[] Order(int part, int half, int length)
        {
            List<int> order = [];
            for (int first = 0; first < length; first += part)
            {
                foreach (int parity in (int[])[0, 1])
                {
                    for (int place = parity; place < part / half; place += 2) order.AddRange(Enumerable.Range(first + (place * half), half));
                }
            }

            return [.. order];
        }
    }

    private static KindCase Hra(Random random, long[] shape, int rank, string orthonormalised)
    {
        int inputs = (int)shape[1..].Aggregate(1L, (a, b) => a * b);
        double[] stored = Values(random, inputs * rank);
        Naive u = new(inputs, rank, stored), chain = Naive.Identity(inputs);
        List<Naive> units = [];
        for (int k = 0; k < rank; k++)
        {
            Naive unit = new(inputs, 1, u.Column(k));
            if (orthonormalised == "true")
            {
                foreach (Naive other in units) unit -= (other.T * unit)[0, 0] * other;
            }

            unit = 1 / Math.Sqrt((unit.T * unit)[0, 0]) * unit;
            units.Add(unit);
            chain -= 2 * (chain * unit * unit.T);
        }

        return new($$"""{ "peft_type": "HRA", "r": {{rank}}, "apply_GS": {{orthonormalised}} }""", shape, [("hra_u", [inputs, rank], stored)], w => w * chain);
    }

    private static KindCase Road(Random random, int outputs, int inputs, int variant, int group)
    {
        int count = outputs * variant / 2, half = group / 2;
        double[] theta = [.. Values(random, count).Select(x => 3 * x)], alpha = Values(random, count);
        Naive r = Naive.Of(outputs, outputs, (i, j) =>
        {
            if (i / group != j / group || i % half != j % half) return 0;
            (int g, int place) = (i / group, i % group);
            int cosine = variant switch { 1 => (g * half) + (place % half), 2 => i, _ => (g * 2 * group) + place };
            int sine = variant == 4 ? cosine + group : cosine;
            return i == j ? alpha[cosine] * Math.Cos(theta[cosine]) : (i < j ? -1 : 1) * alpha[sine] * Math.Sin(theta[sine]);
        });
        return new(
            $$"""{ "peft_type": "ROAD", "variant": "road_{{variant}}", "group_size": {{group}} }""", [outputs, inputs],
            [("road_theta", [count], theta), ("road_alpha", [count], alpha)], w => r * w, b => r * b);
    }

    private static Naive One(Naive like) => Naive.Identity(like.Rows);

    private static Naive Skew(double[] triangle, int size) => Naive.Of(size, size, (i, j) =>
        i == j ? 0 : i < j ? triangle[(i * size) - (i * (i + 1) / 2) + j - i - 1] : -triangle[(j * size) - (j * (j + 1) / 2) + i - j - 1]);

    private static Naive Series(Naive q, params double[] factors)
    {
        (Naive sum, Naive power) = (One(q), One(q));
        foreach (double factor in factors) sum += factor * (power *= q);
        return sum;
    }

    private static double[] Values(Random random, int count) => PeftFolder.Values(random, count, DType.F32);
}
