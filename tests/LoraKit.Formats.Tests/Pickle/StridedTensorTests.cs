using LoraKit.Formats.Tensors;
using LoraKit.Formats.Tests.Containers;
using LoraKit.Tests;
using static LoraKit.Tests.PickleBytes;

namespace LoraKit.Formats.Tests.Pickle;

/// <summary>Every order in which a tensor's elements may lie in its storage comes out row by row, in both forms of file.</summary>
public sealed class StridedTensorTests
{
    private const int Elements = 37 * 53 + 11;

    public static TheoryData<long, long[], long[]> Views => new()
    {
        { 0, [37, 53], [53, 1] },
        { 7, [37, 53], [53, 1] },
        { 0, [53, 37], [1, 53] }, // transposed
        { 11, [53, 37], [1, 53] },
        { 5, [37, 10], [53, 1] }, // some columns
        { 3, [12, 53], [159, 1] }, // every third row
        { 1, [37, 26], [53, 2] }, // every second column
        { 2, [5, 7, 11], [1, 55, 5] }, // permuted
        { 0, [7, 1, 5], [5, 99, 1] }, // the stride of a single index means nothing
        { 4, [6, 9], [0, 1] }, // one row six times
        { 4, [6, 9], [1, 1] }, // overlapping rows
        { 9, [3], [0] },
        { 1971, [], [] }, // the last element, a scalar
        { 0, [0, 5], [5, 1] },
        { 0, [5, 0], [1, 1] },
    };

    [Theory]
    [MemberData(nameof(Views))]
    public void A_view_is_read_row_by_row(long first, long[] sizes, long[] strides)
    {
        foreach ((string type, int bytes) in (ReadOnlySpan<(string, int)>)[("ByteStorage", 1), ("HalfStorage", 2), ("FloatStorage", 4), ("DoubleStorage", 8)])
        {
            byte[] storage = new byte[Elements * bytes];
            new Random(17).NextBytes(storage);
            byte[] pickle = Of(Dict(("t", Tensor(Storage(type, "0", Elements), first, sizes, strides)), ("all", Tensor(Storage(type, "0", Elements), 0, [Elements], [1]))));
            byte[] expected = Expected(storage, bytes, first, sizes, strides);
            foreach (byte[] file in (byte[][])[TorchBytes.Zip(pickle, ("0", storage)), TorchBytes.Legacy(pickle, ("0", bytes, storage))])
            {
                OpenedTensors.Of(file, source =>
                {
                    Assert.True(source.TryGetTensor("t", out TensorInfo? tensor));
                    Assert.Equal(new TensorShape(sizes), tensor.Shape);
                    Assert.Equal(expected, OpenedTensors.Bytes(source, tensor));
                    Assert.Equal(storage, OpenedTensors.Bytes(source, source.Tensors[1])); // both lie in one storage
                    return 0;
                });
            }
        }
    }

    [Fact]
    public void Pieces_from_many_threads_are_those_of_the_whole()
    {
        byte[] storage = new byte[600 * 700 * 4];
        new Random(3).NextBytes(storage);
        byte[] pickle = Of(Dict(("t", Tensor(Storage("FloatStorage", "0", 600 * 700), 0, [700, 600], [1, 700])), ("c", Tensor("FloatStorage", "0", 600, 700))));
        byte[] expected = Expected(storage, 4, 0, [700, 600], [1, 700]);
        OpenedTensors.Of(TorchBytes.Zip(pickle, ("0", storage)), source =>
        {
            Parallel.For(0, 200, i =>
            {
                int start = i * 8311 % (storage.Length - 5003);
                byte[] piece = new byte[5003];
                source.Read(source.Tensors[i % 2], start, piece);
                Assert.Equal((i % 2 == 0 ? expected : storage).AsSpan(start, piece.Length).ToArray(), piece);
            });
            return 0;
        });
    }

    // Counting by rows, one index at a time.
    private static byte[] Expected(byte[] storage, int bytes, long first, long[] sizes, long[] strides)
    {
        List<byte> expected = [];
        Append(0, first);
        return [.. expected];

        void Append(int dimension, long element)
        {
            if (dimension == sizes.Length) expected.AddRange(storage.AsSpan((int)element * bytes, bytes));
            else
            {
                for (long i = 0; i < sizes[dimension]; i++)
                {
                    Append(dimension + 1, element + i * strides[dimension]);
                }
            }
        }
    }
}
