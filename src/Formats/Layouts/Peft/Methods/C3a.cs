using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>C3A: <c>c3a_kernel</c> [out/b, in/b, b]. See spec/layouts/peft.md, "Methods other than LoRA".</summary>
internal sealed class C3a : IPeftMethod
{
    public string PeftType => "C3A";

    public string Name => "C3A";

    public IReadOnlyList<string> ModuleTensors => ["c3a_kernel"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context) => [new C3aDelta(module.Weight, module.Require("c3a_kernel"))];
}
