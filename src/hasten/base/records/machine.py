"""What hasten runs on, as measured: the record of the room `machine`."""

from hasten.base.records.record import Record


class Peak(Record, frozen=True):
    """The rate that one kind of work reached on this machine, undisturbed.

    `kind` is "gemm", "conv", "memory", "disk", "copy", "launch" or "threads" (a GEMM with `size[0]` threads).
    `format` is a number format: "float32", "tf32", "bf32" (fp32 operands, products in bfloat16), "bfloat16",
    "float16", "int8", "float8"; `backend` the library that did it ("mkl", "onednn", "native", "cublas", "cudnn", "");
    `size` the problem: M, N, K of a GEMM; batch, channels in, height, width, channels out and kernel of a convolution;
    bytes elsewhere. `rate` is in operations or bytes per second (for "launch" the seconds of one launch), the median of
    the quietest stretch of readings; `spread` is the relative half-width of their middle half; `stable` is false where
    that is too wide, or the readings too few, for a fact. `variant` names what else tells two peaks apart: the layout
    of a convolution's tensors, the memory kernel, the direction of a copy.
    """

    kind: str
    format: str
    backend: str
    size: tuple[int, ...]
    rate: float
    spread: float
    stable: bool
    variant: str = ""
    device: str = "cpu"  # or "cuda"


class Gpu(Record, frozen=True):
    """One accelerator."""

    name: str
    capability: tuple[int, int]
    memory_bytes: int


class Machine(Record, frozen=True):
    """What hasten runs on: facts read and peaks measured."""

    cpu: str
    isa: tuple[str, ...]  # "avx2", "avx512", "avx512_bf16", "avx512_vnni", "avx512_fp16", "amx_bf16", "amx_int8", ...
    cores: int  # physical ones that this process may use
    threads: int  # that torch uses within one operation
    memory_bytes: int  # that this process may use
    gpu: Gpu | None
    compiler: str | None  # path of the C++ compiler that torch.compile would use on the CPU
    platform: str
    python: str
    torch: str
    peaks: tuple[Peak, ...] = ()
    remarks: tuple[str, ...] = ()  # what could not be measured, and why
    measured_s: float = 0.0  # how long measuring took

    def peak(
        self, kind: str, number_format: str = "", backend: str | None = None, *, device: str | None = None
    ) -> Peak | None:
        """Return the fastest stable peak of that kind, format, back end and device (any where not told), or None."""
        found = [
            peak
            for peak in self.peaks
            if peak.stable
            and peak.kind == kind
            and (not number_format or peak.format == number_format)
            and (backend is None or peak.backend == backend)
            and (device is None or peak.device == device)
        ]
        return max(found, key=lambda peak: peak.rate, default=None)
