using LoraKit.Formats;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Files;
using LoraKit.Formats.Tensors;
using LoraKit.Ops.Adapters;
using LoraKit.Ops.Compute;
using LoraKit.Ops.Stack.Elements;
using LoraKit.Ops.Stack.Factors;

namespace LoraKit.Ops.Stack;

/// <summary>Each method as its paper defines it, on Δ_t = w_t·s_t·B_t·A_t. See spec/algebra.md, "stack".</summary>
internal sealed class ExactStacker : IModuleStacker
{
    private readonly StackMethod _method;
    private readonly MethodSettings _settings;
    private readonly RankChoice _rank;
    private readonly bool _isDense;
    private readonly double _lambda;
    private readonly long _seed;
    private readonly FactorType _type;

    /// <exception cref="InvalidOptionException">A setting makes no sense, or not for the method.</exception>
    public ExactStacker(StackOptions options)
    {
        _method = StackMethods.Named(options.Method);
        _settings = StackSettings.Of(options, _method);
        _isDense = _method is ElementMethod && options.Space is not StackSpace.Core;
        _rank = new(options.Rank, options.Energy, _method is FactorMethod factor ? factor.DefaultRank : RankDefault.Lossless, _isDense);
        _lambda = options.Lambda ?? 1;
        _seed = options.Seed ?? 0;
        _type = options.Output.ElementType;
    }

    public int RankAtMost(StackedModule module) => _rank.AtMost(module);

    public string LessMemory => _isDense ? "--space core works on small matrices instead" : "reduce the adapters' ranks first";

    public void Check(StackedModule module)
    {
        if (!_isDense || (long)module.Rows * module.Columns <= Array.MaxLength) return;
        throw new UnsupportedException(
            $"module '{Printable.Text(module.Target.Path)}': {module.Rows} × {module.Columns} elements are more than fit in memory; {LessMemory}", tensor: module.Target.Path);
    }

    public long WorkingBytes(StackedModule module)
    {
        (long rows, long columns, long rank) = (module.Rows, module.Columns, module.SumOfRanks);
        long factors = (rows + columns) * rank;
        // Dense: one matrix per task, the merged one, and its decomposition. KnOTS' parts have a row per rank.
        long work = _isDense ? rows * columns * (module.Parts.Count + 3) : _method is Knots ? rank * columns * module.Parts.Count : 0;
        return sizeof(double) * ((3 * factors) + work);
    }

    public StackedUpdate Stack(StackedModule module, ICompute compute, int threads, CancellationToken cancellation)
    {
        IReadOnlyList<TaskUpdate> tasks = TaskReader.Read(module);
        if (_rank.AsItIs)
        {
            CombinedUpdate whole = CombinedUpdate.Sum(tasks);
            return new StackedUpdate(Delta(module, whole.Left, whole.Right), 0, 0);
        }

        TruncatedUpdate cut = Combine(tasks, module, compute, threads, cancellation);
        return new StackedUpdate(Delta(module, cut.Up, cut.Down), cut.Norm, cut.Lost);
    }

    private TruncatedUpdate Combine(IReadOnlyList<TaskUpdate> tasks, StackedModule module, ICompute compute, int threads, CancellationToken cancellation)
    {
        try
        {
            return _method switch
            {
                ElementMethod elements when _isDense => MergeDense(elements, tasks, module, compute, threads, cancellation),
                ElementMethod elements => Cut(CoreSpace.Merge(tasks, elements, _settings, task => Random(module, task), compute), module, compute),
                FactorMethod factors => Cut(factors.Combine(tasks, _settings, compute), module, compute),
                _ => throw new InvalidOperationException(_method.Name),
            };
        }
        catch (NonFiniteException beyond)
        {
            throw DeltaProduct.Named(beyond, module.Target, file: null);
        }
    }

    private TruncatedUpdate MergeDense(
        ElementMethod method, IReadOnlyList<TaskUpdate> tasks, StackedModule module, ICompute compute, int threads, CancellationToken cancellation)
    {
        TaskMatrix[] matrices = [.. tasks.Select(task => new TaskMatrix(DenseUpdate.Form(task, compute), Random(module, task)))];
        Matrix merged = method.Merge(matrices, _settings);
        return DenseUpdate.Cut(Scaled(merged), module, _rank, compute, threads, cancellation);
    }

    private TruncatedUpdate Cut(CombinedUpdate update, StackedModule module, ICompute compute) =>
        TruncatedUpdate.Of(update with { Left = Scaled(update.Left) }, module, _rank, compute);

    private Matrix Scaled(Matrix matrix) => _lambda == 1 ? matrix : matrix with { Values = [.. matrix.Values.Select(value => _lambda * value)] };

    private CounterRandom Random(StackedModule module, TaskUpdate task) => new(_seed, module.Target.Path, task.Adapter);

    private LowRankDelta Delta(StackedModule module, Matrix up, Matrix down)
    {
        LowRankDelta first = module.First;
        DType source = TaskReader.Type(module.Parts.SelectMany(part => part.Delta.Tensors));
        int rank = up.Columns;
        return first.With(
            FactorStore.Store($"{module.Target.Path}: A", FactorShapes.Down(first, rank), down.Values, source, _type),
            FactorStore.Store($"{module.Target.Path}: B", FactorShapes.Up(first, rank), up.Values, source, _type),
            scale: 1, alpha: rank);
    }
}
