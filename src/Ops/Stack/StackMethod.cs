namespace LoraKit.Ops.Stack;

/// <summary>A way to combine the updates of several adapters. All see the same tasks, Δ_t = weight_t · scale_t · B_t · A_t.</summary>
public abstract class StackMethod
{
    private protected StackMethod(string name, StackSetting uses) => (Name, Uses) = (name, uses);

    /// <summary>As users type it: <c>dare-ties</c>.</summary>
    public string Name { get; }

    /// <summary>Which settings it reads.</summary>
    internal StackSetting Uses { get; }
}

/// <summary>Settings that not every method has.</summary>
[Flags]
internal enum StackSetting : byte
{
    None = 0,
    Density = 1,
    Sign = 2,
    Lambda = 4,
    Seed = 8,
    Space = 16,
    Gamma = 32,
    Epsilon = 64,
}

/// <summary>The settings of a method, all decided. λ is no part of them: it scales whatever comes out.</summary>
internal sealed record MethodSettings(double Density, SignElection Sign, double Gamma, double Epsilon);
