using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Tests.Merge.PeftKinds;

/// <summary>The methods that have two factors, each from its definition.</summary>
internal static class LowRankKindCases
{
    public static IReadOnlyDictionary<string, Func<Random, KindCase>> All { get; } = new Dictionary<string, Func<Random, KindCase>>
    {
        ["hira"] = random => Hira(random, [37, 53], 5),
        ["hira above the inputs"] = random => Hira(random, [37, 3], 8),
        ["hira conv"] = random => Hira(random, [5, 6, 3, 2], 4),
        ["hira conv1d 1"] = random => Hira(random, [5, 6, 1], 4),
        ["hira Conv1D"] = random => Hira(random, [37, 53], 5) with { Stores = true },
        ["hira embedding"] = random => HiraEmbedding(random, 61, 24, 3),
        ["adalora"] = random => AdaLora(random, [37, 53], 5, """ "init_r": 5, "lora_alpha": 13 """, 13 / (5 + 1e-5)),
        ["adalora pruned"] = random => AdaLora(random, [37, 53], 2, """ "init_r": 4, "lora_alpha": 13, "rank_pattern": { "m.x.lora_E": [true, false, false, true] } """, 13 / (4 + 1e-5)),
        ["adalora without alpha"] = random => AdaLora(random, [37, 53], 2, """ "init_r": 4, "lora_alpha": 0, "rank_pattern": { "m.x.lora_E": [true, false, false, true] } """, 2 / (4 + 1e-5)),
        ["adalora conv"] = random => AdaLora(random, [5, 6, 3, 2], 12, """ "lora_alpha": 6 """, 6 / (12 + 1e-5)),
        ["adalora Conv1D"] = random => AdaLora(random, [37, 53], 12, """ "lora_alpha": 6 """, 6 / (12 + 1e-5)) with { Stores = true },
        ["delora"] = Delora,
        ["gralora"] = random => Gralora(random, 36, 54, 3, 6, 0),
        ["gralora hybrid"] = random => Gralora(random, 36, 54, 2, 4, 3),
        ["gralora Conv1D"] = random => Gralora(random, 36, 54, 2, 4, 3) with { Stores = true },
        ["vblora"] = random => Vblora(random, 3, indices: null),
        ["vblora bytes"] = random => Vblora(random, 3, DType.U8),
        ["vblora shorts"] = random => Vblora(random, 2, DType.I16),
        ["vblora longs"] = random => Vblora(random, 2, DType.I64),
        ["vblora one"] = random => Vblora(random, 1, DType.I32),
        ["merged linear"] = random => MergedLinear(random, [true, false, true], 2),
        ["merged linear of one group"] = random => MergedLinear(random, [false, true], 1),
        ["merged linear Conv1D"] = random => MergedLinear(random, [true, false, true], 2) with { Stores = true },
    };

    private static KindCase Hira(Random random, long[] shape, int rank)
    {
        int inputs = (int)shape[1..].Aggregate(1L, (a, b) => a * b), outputs = (int)shape[0];
        double[] a = Values(random, rank * inputs), b = Values(random, outputs * rank);
        Naive product = new Naive(outputs, rank, b) * new Naive(rank, inputs, a);
        return new(
            $$"""{ "peft_type": "HIRA", "r": 1, "rank_pattern": { "x": {{rank}} } }""", shape,
            [("hira_A", [rank, .. shape[1..]], a), ("hira_B", [outputs, rank, .. shape[2..].Select(_ => 1L)], b)], w => Naive.Of(w.Rows, w.Columns, (i, j) => w[i, j] + (w[i, j] * product[i, j])));
    }

    private static KindCase HiraEmbedding(Random random, int words, int width, int rank)
    {
        double[] a = Values(random, rank * words), b = Values(random, width * rank);
        Naive product = new Naive(width, rank, b) * new Naive(rank, words, a);
        return new(
            $$"""{ "peft_type": "HIRA", "r": {{rank}} }""", [words, width], [("hira_embedding_A", [rank, words], a), ("hira_embedding_B", [width, rank], b)],
            w => Naive.Of(w.Rows, w.Columns, (i, j) => w[i, j] + (w[i, j] * product[j, i])));
    }

    private static KindCase AdaLora(Random random, long[] shape, int rank, string settings, double scale)
    {
        int inputs = (int)shape[1..].Aggregate(1L, (a, b) => a * b), outputs = (int)shape[0];
        double[] a = Values(random, rank * inputs), b = Values(random, outputs * rank), e = Values(random, rank);
        Naive update = scale * (new Naive(outputs, rank, b) * Naive.Of(rank, inputs, (k, j) => a[(k * inputs) + j] * e[k]));
        return new($$"""{ "peft_type": "ADALORA", {{settings}} }""", shape, [("lora_A", [rank, inputs], a), ("lora_B", [outputs, rank], b), ("lora_E", [rank, 1], e)], w => w + update) { IsLowRank = true };
    }

    /// <summary>A row and a column are shorter than 10⁻⁴, and one is nothing.</summary>
    private static KindCase Delora(Random random)
    {
        const int outputs = 37, inputs = 53, rank = 4;
        double[] a = Values(random, rank * inputs), b = Values(random, outputs * rank), norms = Values(random, inputs);
        for (int j = 0; j < inputs; j++) (a[j], a[inputs + j]) = (0, Math.ScaleB(a[inputs + j], -24));
        for (int i = 0; i < outputs; i++) b[(i * rank) + 2] = Math.ScaleB(b[(i * rank) + 2], -24);
        Naive down = new(rank, inputs, a), up = new(outputs, rank, b);
        Naive middle = Naive.Of(rank, rank, (i, j) =>
            i != j ? 0 : 2.5 / rank / (Math.Max(1e-4, Length(down.T.Column(i))) * Math.Max(1e-4, Length(up.Column(i)))));
        Naive product = up * middle * down;
        return new(
            """{ "peft_type": "DELORA", "r": 4 }""", [outputs, inputs],
            [("delora_A", [rank, inputs], a), ("delora_B", [outputs, rank], b), ("delora_lambda", [1], [2.5]), ("delora_w_norm", [inputs], norms)],
            w => w + Naive.Of(outputs, inputs, (i, j) => product[i, j] * norms[j]))
        { IsLowRank = true };
    }

    /// <summary>As PEFT runs a GraLoRA layer: each block of inputs is projected, the projections change places, each block of outputs gathers them.</summary>
    private static KindCase Gralora(Random random, int outputs, int inputs, int count, int rank, int plain)
    {
        int width = inputs / count, height = outputs / count, sub = rank / count;
        double[] a = Values(random, inputs * rank), b = Values(random, outputs * rank), general = Values(random, plain * inputs), back = Values(random, outputs * plain);
        double scale = 10.0 / (rank + plain);
        Naive update = Naive.Of(outputs, inputs, (o, i) =>
        {
            double[] projected = new double[count * rank];
            int from = i / width;
            for (int q = 0; q < rank; q++) projected[(from * rank) + q] = a[(((from * width) + (i % width)) * rank) + q];
            double sum = 0;
            int to = o / height;
            for (int n = 0; n < count; n++)
            {
                for (int s = 0; s < sub; s++) sum += projected[(n * rank) + (to * sub) + s] * b[(((to * rank) + (n * sub) + s) * height) + (o % height)];
            }

            for (int k = 0; k < plain; k++) sum += back[(o * plain) + k] * general[(k * inputs) + i];
            return scale * sum;
        });
        (string, long[], double[])[] tensors = [("gralora_A", [count, width, rank], a), ("gralora_B", [count, rank, height], b)];
        if (plain > 0) tensors = [.. tensors, ("gralora_A_general.weight", [plain, inputs], general), ("gralora_B_general.weight", [outputs, plain], back)];
        return new($$"""{ "peft_type": "GRALORA", "r": {{rank}}, "alpha": 10, "gralora_k": {{count}}, "hybrid_r": {{plain}} }""", [outputs, inputs], tensors, w => w + update) { IsLowRank = true };
    }

    private static KindCase Vblora(Random random, int count, DType? indices)
    {
        const int length = 4, vectors = 11, rank = 3, outputs = 20, inputs = 28;
        double[] bank = Values(random, vectors * length);
        List<(string, long[], double[])> tensors = [];
        List<(string, DType, long[], byte[])> chosen = [];
        Naive down = Side("A", rank, inputs / length, isUp: false), up = Side("B", outputs / length, rank, isUp: true);
        return new(
            $$"""{ "peft_type": "VBLORA", "r": 3, "topk": {{count}}, "save_only_topk_weights": {{(indices is null ? "false" : "true")}} }""", [outputs, inputs], [.. tensors], w => w + (up * down),
            Shared: [("vblora_vector_bank", DType.F64, [vectors, length], bank)])
        { IsLowRank = true, Indices = [.. chosen] };

        Naive Side(string name, int rows, int columns, bool isUp)
        {
            double[] mixed = new double[rows * columns * length], logits = Values(random, rows * columns * vectors);
            List<double> weights = [];
            List<int> places = [];
            for (int cell = 0; cell < rows * columns; cell++)
            {
                int[] best = [.. Enumerable.Range(0, vectors).OrderByDescending(v => logits[(cell * vectors) + v]).Take(count)];
                double[] parts = [.. best.Select(v => Math.Exp(logits[(cell * vectors) + v]))];
                parts = [.. parts.Select(p => p / parts.Sum())];
                weights.AddRange(parts[..^1]);
                places.AddRange(best);
                for (int e = 0; e < length; e++) mixed[(cell * length) + e] = best.Zip(parts).Sum(p => p.Second * bank[(p.First * length) + e]);
            }

            if (indices is { } type)
            {
                byte[] bytes = new byte[places.Count * type.Bytes()];
                for (int i = 0; i < places.Count; i++)
                {
                    BitConverter.GetBytes((long)places[i]).AsSpan(0, type.Bytes()).CopyTo(bytes.AsSpan(i * type.Bytes()));
                }

                chosen.Add(($"vblora_logits_{name}_topk_indices", type, [rows, columns, count], bytes));
                tensors.Add(($"vblora_logits_{name}_topk_weights", [rows, columns, count - 1], [.. weights]));
            }
            else
            {
                tensors.Add(($"vblora_logits_{name}", [rows, columns, vectors], logits));
            }

            return isUp
                ? Naive.Of(rows * length, columns, (i, k) => mixed[(((i / length * columns) + k) * length) + (i % length)])
                : Naive.Of(rows, columns * length, (k, j) => mixed[(((k * columns) + (j / length)) * length) + (j % length)]);
        }
    }

    /// <summary>As the old layer ran: A, then a grouped convolution by B, then its rows put at the enabled parts.</summary>
    private static KindCase MergedLinear(Random random, bool[] enabled, int groups)
    {
        const int part = 12, inputs = 23, rank = 2;
        int count = enabled.Count(e => e), rows = part * count, all = rank * count, width = all / groups;
        double[] a = Values(random, all * inputs), b = Values(random, rows * width);
        Naive update = Naive.Of(part * enabled.Length, inputs, (o, i) =>
        {
            if (!enabled[o / part]) return 0;
            int row = (enabled[..(o / part)].Count(e => e) * part) + (o % part), group = row / (rows / groups);
            return 7.0 / rank * Enumerable.Range(0, width).Sum(k => b[(row * width) + k] * a[(((group * width) + k) * inputs) + i]);
        });
        return new(
            $$"""{ "peft_type": "LORA", "r": 2, "lora_alpha": 7, "enable_lora": [{{string.Join(", ", enabled.Select(e => e ? "true" : "false"))}}] }""", [part * enabled.Length, inputs],
            [("lora_A.weight", [all, inputs], a), ("lora_B.weight", [rows, width, 1], b)], w => w + update)
        { IsLowRank = true };
    }

    private static double Length(double[] values) => Math.Sqrt(values.Sum(x => x * x));

    private static double[] Values(Random random, int count) => PeftFolder.Values(random, count, DType.F32);
}
