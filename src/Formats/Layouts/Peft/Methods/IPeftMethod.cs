using LoraKit.Formats.Adapters;

namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>One of PEFT's methods other than LoRA: whose tensors are its own, and what a module's tensors mean.</summary>
internal interface IPeftMethod
{
    /// <summary>The configuration's <c>peft_type</c>: <c>LOHA</c>.</summary>
    string PeftType { get; }

    /// <summary>What messages call it: LoHa.</summary>
    string Name { get; }

    /// <summary>The names its tensors have after the module's: <c>hada_w1_a</c>, <c>oft_R.weight</c>.</summary>
    IReadOnlyList<string> ModuleTensors { get; }

    /// <summary>
    /// The names of tensors that belong to no module: <c>vera_A</c> (in the file <c>base_model.vera_A</c>); <c>tinylora_v.*</c> stands for
    /// any last component.
    /// </summary>
    IReadOnlyList<string> SharedTensors => [];

    /// <summary>Refuses a file that lacks what all modules need; before any is read.</summary>
    /// <exception cref="LoraKitException">It does.</exception>
    void Require(PeftMethodContext context)
    {
    }

    /// <summary>The updates of one module; every tensor it asks the module for is claimed.</summary>
    /// <exception cref="InvalidAdapterException">A tensor is missing, or shapes and configuration contradict each other.</exception>
    IEnumerable<AdapterDelta> Read(PeftModule module, PeftMethodContext context);

    /// <summary>What a module's tensors replace.</summary>
    IEnumerable<Replacement> Replace(PeftModule module, PeftMethodContext context) => [];
}
