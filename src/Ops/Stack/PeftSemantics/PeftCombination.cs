using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Compute;

namespace LoraKit.Ops.Stack.PeftSemantics;

/// <summary>
/// What PEFT 0.20's <c>add_weighted_adapter</c> makes of one module, its peculiarities included: <c>linear</c> and its kin weigh A and B by √|w·s| each
/// (the sign goes to A) and so have cross terms B₁A₂; the types with an SVD scale twice (w·s times an update that contains s). See
/// spec/algebra.md, "PEFT's combinations".
/// </summary>
internal static class PeftCombination
{
    /// <summary>Refuses a module of which the combination cannot be made.</summary>
    /// <exception cref="InvalidOptionException">The rank is above what an SVD of the module has.</exception>
    /// <exception cref="UnsupportedException">The update, which has to be formed, has more elements than an array holds.</exception>
    public static void CheckSize(string module, int rows, int columns, PeftCombinationOptions options, int newRank)
    {
        if (options.Type.IsSvd() && newRank > Math.Min(rows, columns))
        {
            throw new InvalidOptionException(
                $"rank {newRank} is above {Math.Min(rows, columns)}, the most that module '{Printable.Text(module)}' ({rows} × {columns}) has; PEFT stops there too: choose a lower rank");
        }

        if (!options.Type.FormsUpdates() || (long)rows * columns <= Array.MaxLength) return;
        throw new UnsupportedException(
            $"module '{Printable.Text(module)}': PEFT's {options.Type.PeftName()} forms the whole update, and {rows} × {columns} elements are more than an array "
            + "holds; combine the adapters with exact semantics", tensor: module);
    }

    /// <summary>Combines a module's factors.</summary>
    /// <param name="module">The module's name, for messages.</param>
    /// <param name="terms">The adapters that have the module, in order, at least one; all of one shape.</param>
    /// <param name="options">As <see cref="PeftCombinationRules.Check"/> let it pass.</param>
    /// <param name="newRank">From <see cref="PeftCombinationRules.NewRank"/>.</param>
    /// <param name="compute">What makes the SVD.</param>
    /// <param name="uniform">For random pruning.</param>
    /// <exception cref="InvalidAdapterException">The factors' shapes differ where they have to agree.</exception>
    /// <exception cref="InvalidOptionException">The rank is above what an SVD of the module has.</exception>
    /// <exception cref="UnsupportedException">The update, which has to be formed, has more elements than an array holds.</exception>
    public static PeftFactors Combine(
        string module, IReadOnlyList<PeftTerm> terms, PeftCombinationOptions options, int newRank, ICompute compute, PeftUniform uniform)
    {
        PeftFactors first = terms[0].Factors;
        bool alike = terms.All(t => t.Factors.Out == first.Out && t.Factors.In == first.In);
        bool sameRank = terms.All(t => t.Factors.Rank == first.Rank);
        if (!alike || (!sameRank && options.Type is not PeftCombinationType.Cat && !options.Type.IsSvd()))
        {
            throw new InvalidAdapterException(
                $"module '{Printable.Text(module)}': the adapters' factors have shapes {string.Join(", ", terms.Select(t => Shape(t.Factors)))} (out × rank × in); "
                + $"PEFT's {options.Type.PeftName()} needs them alike");
        }

        if (options.Type == PeftCombinationType.Cat && terms.Sum(t => (long)t.Factors.Rank) > newRank)
        {
            throw new InvalidAdapterException(
                $"module '{Printable.Text(module)}': its factors have ranks {string.Join(", ", terms.Select(t => t.Factors.Rank))}, together more than {newRank}, which is what "
                + "the adapters' configurations add up to");
        }

        CheckSize(module, first.Out, first.In, options, newRank);
        return options.Type switch
        {
            PeftCombinationType.Cat => Concatenate(terms, newRank),
            PeftCombinationType.Svd => Truncate(WeightedSum(terms), newRank, compute),
            _ when options.Type.IsSvd() => Truncate(Updates(terms, options, uniform), newRank, compute),
            _ => CombineFactors(terms, options, uniform),
        };
    }

    /// <summary>A = [wᵢ·sᵢ·Aᵢ], B = [Bᵢ], padded with zeros: two multiplications, each rounded to the adapter's type.</summary>
    private static PeftFactors Concatenate(IReadOnlyList<PeftTerm> terms, int newRank)
    {
        PeftFactors first = terms[0].Factors;
        DType type = PeftRounding.Common(terms.Select(t => t.Factors.Type));
        float[] a = new float[checked(newRank * first.In)];
        float[] b = new float[checked(first.Out * newRank)];
        int at = 0;
        foreach (PeftTerm term in terms)
        {
            PeftFactors factors = term.Factors;
            Scaled(Scaled(factors.A, term.Weight, factors.Type), term.Scale, factors.Type).CopyTo(a.AsSpan(at * first.In));
            for (int i = 0; i < first.Out; i++)
            {
                factors.B.AsSpan(i * factors.Rank, factors.Rank).CopyTo(b.AsSpan((i * newRank) + at));
            }

            at += factors.Rank;
        }

        return new(a, b, first.Out, first.In, newRank, type);
    }

    /// <summary>The operation on the list of A with weights sgn(w·s)·√|w·s|, and on that of B with √|w·s|.</summary>
    private static PeftFactors CombineFactors(IReadOnlyList<PeftTerm> terms, PeftCombinationOptions options, PeftUniform uniform)
    {
        PeftFactors first = terms[0].Factors;
        float[] weightsA = [.. terms.Select(t => (float)(Math.Sign(t.Weight * t.Scale) * Math.Sqrt(Math.Abs(t.Weight * t.Scale))))];
        float[] weightsB = [.. weightsA.Select(MathF.Abs)];
        DType[] types = [.. terms.Select(t => t.Factors.Type)];
        float[] a = PeftArithmetic.Combine([.. terms.Select(t => t.Factors.A)], weightsA, types, options, (i, element) => uniform(i, 0, element));
        float[] b = PeftArithmetic.Combine([.. terms.Select(t => t.Factors.B)], weightsB, types, options, (i, element) => uniform(i, 1, element));
        return new(a, b, first.Out, first.In, first.Rank, first.Type);
    }

    /// <summary>Σ wᵢ·sᵢ·(sᵢ·Bᵢ·Aᵢ) as one product of factors: nothing of size out × in exists.</summary>
    private static LowRankProduct WeightedSum(IReadOnlyList<PeftTerm> terms)
    {
        PeftFactors first = terms[0].Factors;
        int rank = terms.Sum(t => t.Factors.Rank);
        double[] left = new double[checked(first.Out * rank)];
        double[] right = new double[checked(rank * first.In)];
        int at = 0;
        foreach ((PeftFactors factors, double scale, double weight) in terms)
        {
            double multiplier = (float)(weight * scale) * scale;
            for (int i = 0; i < first.Out; i++)
            {
                for (int k = 0; k < factors.Rank; k++)
                {
                    left[(i * rank) + at + k] = factors.B[(i * factors.Rank) + k] * multiplier;
                }
            }

            for (int k = 0; k < factors.A.Length; k++)
            {
                right[(at * first.In) + k] = factors.A[k];
            }

            at += factors.Rank;
        }

        return new LowRankProduct(first.Out, first.In, rank, left, right);
    }

    /// <summary>The operation on whole updates with weights w·s, as a product with a unit matrix on its shorter side.</summary>
    private static LowRankProduct Updates(IReadOnlyList<PeftTerm> terms, PeftCombinationOptions options, PeftUniform uniform)
    {
        (int rows, int columns) = (terms[0].Factors.Out, terms[0].Factors.In);
        float[] weights = [.. terms.Select(t => (float)(t.Weight * t.Scale))];
        float[] combined = PeftArithmetic.Combine(
            [.. terms.Select(Update)], weights, [.. terms.Select(t => t.Factors.Type)], options, (i, element) => uniform(i, 0, element));
        int rank = Math.Min(rows, columns);
        float[] unit = new float[rank * rank];
        for (int k = 0; k < rank; k++)
        {
            unit[(k * rank) + k] = 1;
        }

        return columns <= rows ? new(rows, columns, rank, combined, unit) : new LowRankProduct(rows, columns, rank, unit, combined);
    }

    /// <summary>get_delta_weight: B·A rounded to F32, times the scale, rounded to the adapter's type.</summary>
    private static float[] Update(PeftTerm term)
    {
        PeftFactors factors = term.Factors;
        float[] update = new float[factors.Out * factors.In];
        double[] row = new double[factors.In];
        for (int i = 0; i < factors.Out; i++)
        {
            Array.Clear(row);
            for (int k = 0; k < factors.Rank; k++)
            {
                double b = factors.B[(i * factors.Rank) + k];
                for (int j = 0; j < row.Length; j++)
                {
                    row[j] += b * factors.A[(k * factors.In) + j];
                }
            }

            for (int j = 0; j < row.Length; j++)
            {
                update[(i * factors.In) + j] = (float)row[j] * (float)term.Scale;
            }
        }

        return PeftRounding.Round(update, factors.Type);
    }

    /// <summary>B = U·diag(σ), A = Vᵀ, both F32.</summary>
    private static PeftFactors Truncate(LowRankProduct update, int newRank, ICompute compute)
    {
        (int rows, int columns) = ((int)update.Rows, update.Columns);
        using ILowRankSvd svd = compute.Decompose(update);
        int known = Math.Min(newRank, svd.SingularValues.Count);
        SingularVectors vectors = svd.Take(known);
        // Beyond the product's rank every singular value is zero, and so are the columns.
        float[] b = new float[rows * newRank];
        float[] a = new float[newRank * columns];
        for (int k = 0; k < known; k++)
        {
            for (int i = 0; i < rows; i++)
            {
                b[(i * newRank) + k] = (float)(vectors.Left[(i * known) + k] * svd.SingularValues[k]);
            }

            for (int j = 0; j < columns; j++)
            {
                a[(k * columns) + j] = (float)vectors.Right[(j * known) + k];
            }
        }

        return new(a, b, rows, columns, newRank, DType.F32);
    }

    private static float[] Scaled(float[] values, double factor, DType type) => PeftRounding.Round([.. values.Select(v => v * (float)factor)], type);

    private static string Shape(PeftFactors factors) => $"{factors.Out} × {factors.Rank} × {factors.In}";
}
