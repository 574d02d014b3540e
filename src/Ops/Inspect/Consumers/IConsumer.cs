using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>A program that loads adapters, and what it makes of one. See spec/layouts/README.md, "Consumers".</summary>
internal interface IConsumer
{
    /// <summary>What users type: <c>vllm</c>.</summary>
    string Name { get; }

    /// <summary>What it refuses, leaves out without an error, or computes otherwise; nothing where it takes the adapter for what it is.</summary>
    IEnumerable<AdapterIssue> Check(Adapter adapter);
}
