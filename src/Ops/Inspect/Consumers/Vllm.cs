using System.Globalization;
using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>vLLM: one rank limit, one scale for all modules. Source: vllm/lora/peft_helper.py, lora_model.py, model_manager.py.</summary>
internal sealed class Vllm : IConsumer
{
    private const string Program = "vLLM";
    private const long DefaultRank = 16;

    /// <summary>What <c>--max-lora-rank</c> may be.</summary>
    private static readonly long[] Ranks = [1, 8, 16, 32, 64, 128, 256, 320, 512];

    public string Name => "vllm";

    public IEnumerable<AdapterIssue> Check(Adapter adapter)
    {
        if (PeftSettings.IsOther(adapter, Program, out AdapterIssue other)) return [other];
        double alpha = PeftSettings.Alpha(adapter), rank = PeftSettings.Rank(adapter);
        double scale = alpha / (PeftSettings.IsRankStabilized(adapter) ? Math.Sqrt(rank) : rank);
        return
        [
            .. Finding.Kinds(adapter, Program), .. Finding.Replacements(adapter, Program), .. Biases(adapter),
            .. RankOf(Math.Max((long)rank, adapter.Deltas.Select(delta => delta.Facts.Rank).Max() ?? 0)),
            .. Finding.Scales(adapter, _ => scale, $"{Program} does not read rank_pattern and alpha_pattern, and multiplies all by {scale.ToString("R", CultureInfo.InvariantCulture)}"),
        ];
    }

    private static IEnumerable<AdapterIssue> Biases(Adapter adapter) =>
        adapter.Deltas.Where(delta => delta is DenseDelta && delta.Target.Parameter == "bias").Select(delta => Finding.Refused($"{Program} takes no biases", delta.Target.Module.Path));

    private static IEnumerable<AdapterIssue> RankOf(long rank)
    {
        if (rank <= DefaultRank) return [];
        long least = Array.Find(Ranks, most => most >= rank);
        return [Finding.Refused(least == 0
            ? $"{Program} has ranks up to {Ranks[^1]}, and this is of rank {rank}; resize-rank makes it smaller"
            : $"{Program} takes ranks up to {DefaultRank} unless it is started with --max-lora-rank {least}, and this is of rank {rank}")];
    }
}
