using System.Runtime.ExceptionServices;
using LoraKit.Formats.Tensors;

namespace LoraKit.Ops.Verify;

/// <summary>Where a tensor has NaN or infinity.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Count">How many of its numbers.</param>
/// <param name="First">The first of them, counted row-major (a complex element is two numbers).</param>
internal sealed record NonFiniteTensor(TensorValue Tensor, long Count, long First);

/// <summary>Streams tensors through <see cref="NonFinite"/> in pieces: memory is one piece per thread, whatever the tensors' size.</summary>
internal static class NonFiniteScan
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Finds every tensor with NaN or infinity, in the order given.</summary>
    /// <param name="tensors">Any tensors; those of types without NaN are passed over.</param>
    /// <param name="threads">How many threads read; 0 takes one per processor.</param>
    /// <param name="progress">Told after each piece.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    /// <returns>The findings, and how many numbers were looked at.</returns>
    public static (IReadOnlyList<NonFiniteTensor> Found, long Checked) Run(
        IEnumerable<TensorValue> tensors, int threads, IProgress<OpProgress>? progress, CancellationToken cancellation)
    {
        Work work = new([.. tensors.Where(t => NonFinite.Exists(t.DType))], progress, cancellation);
        long pieces = (work.TotalBytes / PieceBytes) + 1;
        threads = (int)Math.Min(threads > 0 ? threads : Environment.ProcessorCount, pieces);
        Thread[] others = new Thread[threads - 1];
        for (int i = 0; i < others.Length; i++)
        {
            others[i] = new Thread(work.Run) { IsBackground = true, Name = "scan" };
            others[i].Start();
        }

        work.Run();
        foreach (Thread other in others)
        {
            other.Join();
        }

        return (work.Results(), work.TotalNumbers);
    }

    private sealed class Work
    {
        private readonly TensorValue[] _tensors;
        private readonly long[] _lengths;
        private readonly long[] _counts;
        private readonly long[] _firsts;
        private readonly IProgress<OpProgress>? _progress;
        private readonly CancellationToken _cancellation;
        private readonly Lock _lock = new();
        private int _tensor;
        private long _position;
        private long _done;
        private ExceptionDispatchInfo? _failure;

        public Work(TensorValue[] tensors, IProgress<OpProgress>? progress, CancellationToken cancellation)
        {
            _tensors = tensors;
            _progress = progress;
            _cancellation = cancellation;
            _counts = new long[tensors.Length];
            _firsts = new long[tensors.Length];
            _lengths = new long[tensors.Length];
            for (int i = 0; i < tensors.Length; i++)
            {
                _firsts[i] = long.MaxValue;
                _lengths[i] = tensors[i].Shape.ElementCount * tensors[i].DType.Bytes();
                TotalBytes += _lengths[i];
                TotalNumbers += _lengths[i] / NonFinite.Size(tensors[i].DType);
            }
        }

        public long TotalBytes { get; }

        public long TotalNumbers { get; }

        public void Run()
        {
            try
            {
                byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(PieceBytes, TotalBytes));
                while (Next(out int index, out long start, out int length))
                {
                    _cancellation.ThrowIfCancellationRequested();
                    TensorValue tensor = _tensors[index];
                    Span<byte> piece = buffer.AsSpan(0, length);
                    tensor.ReadBytes(start, piece);
                    long count = NonFinite.Count(tensor.DType, piece, out int first);
                    Done(index, length, count, (start / NonFinite.Size(tensor.DType)) + first);
                }
            }
            catch (Exception e)
            {
                lock (_lock)
                {
                    _failure ??= ExceptionDispatchInfo.Capture(e);
                    _tensor = _tensors.Length;
                }
            }
        }

        public IReadOnlyList<NonFiniteTensor> Results()
        {
            _failure?.Throw();
            List<NonFiniteTensor> found = [];
            for (int i = 0; i < _tensors.Length; i++)
            {
                if (_counts[i] > 0) found.Add(new NonFiniteTensor(_tensors[i], _counts[i], _firsts[i]));
            }

            return found;
        }

        private bool Next(out int index, out long start, out int length)
        {
            lock (_lock)
            {
                while (_tensor < _tensors.Length && _position >= _lengths[_tensor])
                {
                    _tensor++;
                    _position = 0;
                }

                (index, start, length) = (_tensor, _position, 0);
                if (_tensor >= _tensors.Length) return false;
                length = (int)Math.Min(PieceBytes, _lengths[_tensor] - _position);
                _position += length;
                return true;
            }
        }

        private void Done(int index, int length, long count, long first)
        {
            OpProgress now;
            lock (_lock)
            {
                _done += length;
                if (count > 0)
                {
                    _counts[index] += count;
                    _firsts[index] = Math.Min(_firsts[index], first);
                }

                now = new OpProgress(_done, TotalBytes, _tensors[index].Name);
            }

            _progress?.Report(now);
        }
    }
}
