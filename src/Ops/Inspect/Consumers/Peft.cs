using LoraKit.Formats.Adapters;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>PEFT itself: its own folders.</summary>
internal sealed class Peft : IConsumer
{
    public string Name => "peft";

    public IEnumerable<AdapterIssue> Check(Adapter adapter) => PeftSettings.IsOther(adapter, "PEFT", out AdapterIssue other) ? [other] : [];
}
