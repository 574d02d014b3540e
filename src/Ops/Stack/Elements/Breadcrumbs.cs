namespace LoraKit.Ops.Stack.Elements;

/// <summary>
/// Model Breadcrumbs (arXiv:2312.06795): of each task the fraction γ of largest elements is dropped as outliers, of the rest
/// the largest stay, up to the density; the sum of these.
/// </summary>
internal sealed class Breadcrumbs() : ElementMethod("breadcrumbs", StackSetting.Density | StackSetting.Gamma)
{
    public override Matrix Merge(IReadOnlyList<TaskMatrix> tasks, MethodSettings settings)
    {
        foreach (TaskMatrix task in tasks)
        {
            double[] values = task.Values;
            LargestMagnitudes outliers = new(values, (long)(settings.Gamma * values.Length));
            for (int i = 0; i < values.Length; i++)
            {
                if (outliers.Includes(values[i])) values[i] = 0;
            }

            LargestMagnitudes.Keep(values, LargestMagnitudes.CountOf(settings.Density, values.Length));
        }

        return TaskSum.Of(tasks);
    }
}
