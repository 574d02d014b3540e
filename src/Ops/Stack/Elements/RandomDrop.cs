namespace LoraKit.Ops.Stack.Elements;

/// <summary>DARE (arXiv:2311.03099): each element is dropped at random, and what stays is divided by the probability of staying.</summary>
internal static class RandomDrop
{
    public static void Apply(IReadOnlyList<TaskMatrix> tasks, double density)
    {
        foreach (TaskMatrix task in tasks)
        {
            for (int i = 0; i < task.Values.Length; i++)
            {
                task.Values[i] = task.Random.Uniform(i) < density ? task.Values[i] / density : 0;
            }
        }
    }
}
