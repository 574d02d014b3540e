using LoraKit.Formats;
using LoraKit.Formats.Files;
using LoraKit.Formats.Layouts;

namespace LoraKit.Ops.Inspect.Consumers;

/// <summary>The one list of programs that adapters are checked for.</summary>
internal static class ConsumerList
{
    public static IReadOnlyList<IConsumer> All { get; } = [new ComfyUi(), new Diffusers(), new LlamaCpp(), new Ollama(), new Peft(), new Vllm()];

    /// <summary>The program of a name, else whoever reads the layout of that name.</summary>
    /// <exception cref="InvalidOptionException">There is none; the message lists those that are.</exception>
    public static IConsumer Named(string name) => All.FirstOrDefault(consumer => consumer.Name == name)
        ?? (AdapterLayouts.All.FirstOrDefault(layout => layout.Name == name) is { } read ? new LayoutConsumer(read) : null)
        ?? throw new InvalidOptionException(
            $"'{Printable.Text(name)}' is no program or layout that is checked; expected one of {string.Join(", ", All.Select(consumer => consumer.Name))}, "
            + $"or {string.Join(", ", AdapterLayouts.All.Select(layout => layout.Name).Except(All.Select(consumer => consumer.Name)).Order(StringComparer.Ordinal))}");
}
