namespace LoraKit.Formats.Checkpoints;

/// <summary>What a file of a model's folder is for, told by its name.</summary>
internal enum ModelFileKind : byte
{
    /// <summary>Configuration, tokenizer, documentation, code: it goes where the model goes.</summary>
    Companion,

    /// <summary>Weights, in whatever format, or state of the training.</summary>
    Weights,

    /// <summary>A list of where weights lie.</summary>
    WeightsIndex,

    /// <summary>A part of an adapter.</summary>
    Adapter,
}

/// <summary>Sorting files by their names.</summary>
internal static class ModelFileKinds
{
    private static readonly HashSet<string> WeightExtensions = new(StringComparer.OrdinalIgnoreCase)
    {
        ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".gguf", ".ggml", ".h5", ".hdf5", ".keras", ".msgpack", ".onnx", ".onnx_data",
        ".npz", ".ot", ".pb", ".tflite", ".mlmodel", ".mlpackage", ".distcp", ".engine", ".nemo",
    };

    public static ModelFileKind Of(string name)
    {
        if (name.Equals("adapter_config.json", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("adapter_model.", StringComparison.OrdinalIgnoreCase))
        {
            return ModelFileKind.Adapter;
        }

        if (name.EndsWith(".index.json", StringComparison.OrdinalIgnoreCase)) return ModelFileKind.WeightsIndex;
        bool weights = WeightExtensions.Contains(Path.GetExtension(name))
            || name.Contains(".ckpt.", StringComparison.OrdinalIgnoreCase) // TensorFlow: model.ckpt.index, model.ckpt.data-00000-of-00001
            || name.StartsWith("openvino_model.", StringComparison.OrdinalIgnoreCase)
            || name.Contains(".onnx.data", StringComparison.OrdinalIgnoreCase);
        return weights ? ModelFileKind.Weights : ModelFileKind.Companion;
    }
}
