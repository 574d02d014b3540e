using LoraKit.Formats.Adapters;
using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>Whoever reads a layout: what of an adapter cannot be written in it as it is. Names are not looked at, unless they are its own.</summary>
internal sealed class LayoutConsumer(IAdapterLayout layout) : IConsumer
{
    public string Name => layout.Name;

    public IEnumerable<AdapterIssue> Check(Adapter adapter) =>
    [
        .. adapter.Deltas.Where(delta => !layout.Holds(delta)).Select(delta => Finding.Refused(
            $"the layout {layout.Name} has no {(delta.Facts.Dora ? "DoRA of " : "")}{delta.Kind}; convert makes it plain LoRA first", delta.Target.Path)),
        .. adapter.Layout == layout.Name ? layout.Limits(layout.Fold(adapter)).Select(limit => Finding.Refused(limit)) : [],
    ];
}
