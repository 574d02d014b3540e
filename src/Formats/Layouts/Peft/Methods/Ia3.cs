using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// IA³: <c>ia3_l</c> [out, 1], or [1, in] where the module is one of <c>feedforward_modules</c>; [1, n, 1, …] of a convolution either way.
/// See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Ia3 : IPeftMethod
{
    private const string FeedForward = "feedforward_modules";

    public string PeftType => "IA3";

    public string Name => "IA3";

    public IReadOnlyList<string> ModuleTensors => ["ia3_l"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor factors = module.Require("ia3_l");
        TensorShape shape = factors.Shape;
        bool isConvolution = shape.Rank is 4 or 5 && shape.ElementCount == shape[1];
        if (!isConvolution && !(shape.Rank == 2 && (shape[0] == 1 || shape[1] == 1)))
        {
            throw module.Wrong($"ia3_l is {shape}; expected [out, 1], [1, in], or [1, n, 1, 1] of a convolution");
        }

        // A matrix's shape says it, but for a single one; a convolution's never does.
        bool byInput = isConvolution || shape.ElementCount == 1 ? IsFeedForward(module, context) : shape[0] == 1;
        WeightOrientation orientation = isConvolution ? WeightOrientation.OutIn : WeightOrientation.FromShape;
        yield return new Ia3Delta(module.Weight, factors, byInput) { Orientation = orientation, SquareIsInOut = context.Config.IsConv1D };
        if (!byInput) yield return new Ia3Delta(module.Bias, factors, byInput: false) { IsOptional = true };
    }

    /// <summary>As PEFT: an expression that is the whole name, or a list of endings, with or without a dot before them.</summary>
    private static bool IsFeedForward(PeftModule module, PeftMethodContext context)
    {
        if (context.Settings.Json[FeedForward] is not JsonValue value || value.GetValueKind() != JsonValueKind.String)
        {
            IReadOnlyList<string> endings = context.Settings.Texts(FeedForward) ?? throw context.Settings.Wrong(FeedForward, null, "the feed-forward modules: without them, inputs and outputs cannot be told apart");
            return endings.Any(ending => module.Name.Path.EndsWith(ending, StringComparison.Ordinal));
        }

        try
        {
            return PythonPattern.Whole(context.Settings.Text(FeedForward)!).IsMatch(module.Name.Path);
        }
        catch (Exception cannot) when (cannot is FormatException or RegexMatchTimeoutException)
        {
            throw context.Settings.Wrong(FeedForward, value, $"an expression that can be used ({cannot.Message})");
        }
    }
}
