using LoraKit.Formats.Adapters;
using LoraKit.Formats.Tensors;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>
/// BOFT: <c>boft_R</c> [stages, blocks, b, b] and <c>boft_s</c> [out, 1] ([1, out] of a convolution). How many stages there are is the
/// tensor's to say: without its CUDA extension PEFT makes one, whatever <c>boft_n_butterfly_factor</c> is. See spec/layouts/peft.md, "Methods other than LoRA".
/// </summary>
internal sealed class Boft : IPeftMethod
{
    public string PeftType => "BOFT";

    public string Name => "BOFT";

    public IReadOnlyList<string> ModuleTensors => ["boft_R", "boft_s"];

    public IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context)
    {
        StoredTensor blocks = module.Require("boft_R"), outputs = module.Require("boft_s");
        BoftDelta delta = new(module.Weight, blocks, outputs);
        RequireSaid("boft_block_num", 0, blocks.Shape[1]);
        RequireSaid("boft_block_size", 4, blocks.Shape[2]);
        yield return delta;

        void RequireSaid(string setting, long otherwise, long found)
        {
            long said = context.Settings.WholeNumber(setting, otherwise);
            if (said != 0 && said != found) throw module.Wrong($"boft_R is {blocks.Shape}, but '{setting}' is {said}; expected [stages, blocks, b, b] of that");
        }
    }
}
