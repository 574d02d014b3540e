using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// VeRA: <c>vera_lambda_d</c> [r] and <c>vera_lambda_b</c> [out], and for the whole model <c>vera_A</c> [r, largest in] and <c>vera_B</c>
/// [largest out, r]; PVeRA the same with twice the rows of A and d. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Vera : IPeftMethod
{
    private readonly string _prefix;
    private readonly bool _isProbabilistic;

    private Vera(string type, string name, string prefix, bool isProbabilistic) => (PeftType, Name, _prefix, _isProbabilistic) = (type, name, prefix, isProbabilistic);

    public static Vera Plain { get; } = new("VERA", "VeRA", "vera", false);

    public static Vera Probabilistic { get; } = new("PVERA", "PVeRA", "pvera", true);

    public string PeftType { get; }

    public string Name { get; }

    public IReadOnlyList<string> ModuleTensors => [$"{_prefix}_lambda_d", $"{_prefix}_lambda_b"];

    public IReadOnlyList<string> SharedTensors => [$"{_prefix}_A", $"{_prefix}_B"];

    public void Require(PeftMethodContext context) => context.RequireProjections(this);

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        (StoredTensor A, StoredTensor B) projections = (context.RequireShared($"{_prefix}_A"), context.RequireShared($"{_prefix}_B"));
        (StoredTensor D, StoredTensor B) scales = (module.Require($"{_prefix}_lambda_d"), module.Require($"{_prefix}_lambda_b"));
        yield return new VeraDelta(module.Weight, projections, scales, _isProbabilistic)
        {
            Orientation = WeightOrientation.FromShape,
            SquareIsInOut = context.Config.IsConv1D,
        };
    }
}
