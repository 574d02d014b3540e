namespace LoraKit.Formats.Tensors.Floats;

/// <summary>Doubles side by side in one register.</summary>
internal interface IDoubleLanes<TDoubles> : IProductLanes<TDoubles, double>
    where TDoubles : unmanaged
{
    /// <summary>Every NaN becomes the positive quiet one.</summary>
    static abstract TDoubles WithOneNaN(TDoubles value);
}
