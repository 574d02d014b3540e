namespace LoraKit.Ops.Stack.Elements;

/// <summary>A method that looks at single elements of matrices.</summary>
internal abstract class ElementMethod(string name, StackSetting uses)
    : StackMethod(name, uses | StackSetting.Lambda | StackSetting.Space)
{
    /// <summary>The combined matrix, of the same size.</summary>
    /// <param name="tasks">One matrix per adapter, all of one size; may be overwritten.</param>
    /// <param name="settings">What the user chose.</param>
    public abstract Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings);
}

/// <summary>Δ_t, or its coordinates in the core space.</summary>
/// <param name="Delta">The elements.</param>
/// <param name="Random">What its elements are drawn with.</param>
internal sealed record TaskMatrix(Matrix Delta, CounterRandom Random)
{
    public double[] Values => Delta.Values;
}
