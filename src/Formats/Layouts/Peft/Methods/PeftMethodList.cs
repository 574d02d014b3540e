namespace LoraKit.Formats.Layouts.Peft.Methods;

/// <summary>The one list of PEFT's methods that are read beside LoRA.</summary>
internal static class PeftMethodList
{
    /// <summary>Every method, in the order of their types.</summary>
    public static IReadOnlyList<IPeftMethod> All { get; } =
    [
        new AdaLora(),
        new Boft(),
        Miss.Bone,
        new C3a(),
        new Delora(),
        new FourierFt(),
        new Gralora(),
        new Hira(),
        new Hra(),
        new Ia3(),
        new LnTuning(),
        new Loha(),
        new Lokr(),
        Miss.Current,
        new Oft(),
        Vera.Probabilistic,
        new RandLora(),
        new Road(),
        new Shira(),
        new TinyLora(),
        new UniLora(),
        new Vblora(),
        Vera.Plain,
        new WaveFt(),
    ];

    /// <summary>The method of a <c>peft_type</c>; null for LoRA and for what is not read.</summary>
    public static IPeftMethod? Of(string peftType) => All.FirstOrDefault(method => method.PeftType == peftType);
}
