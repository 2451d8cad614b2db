"""Write a model to a file in each format, and load the file back as a function."""

import io
import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.export import AdditionalInputs, ExportedProgram

from hasten.base.errors import BadInput, error_text
from hasten.base.optional import attribute_of
from hasten.base.records.export import Format
from hasten.base.user_code import user_location
from hasten.data.tree import is_record
from hasten.export.calls import Call, tensors_of_call

Function: TypeAlias = Callable[[Call], list[Tensor]]
"""A call -> the tensors that the exported model returns for its arguments."""

SUFFIXES = {Format.PT2: ".pt2", Format.ONNX: ".onnx", Format.INT8: ".int8.onnx"}
_MISSING = "exporting to {} needs onnx, onnxscript and onnxruntime: pip install 'hasten[export]'"
_CONVOLUTION = "Conv"


class Traced(NamedTuple):
    """A model as a graph; `why_fixed`: why it takes one batch size only, empty where it takes any."""

    program: ExportedProgram
    why_fixed: str


def traced(model: nn.Module, whole: Call, sized: Callable[[], tuple[Call, Call]]) -> Traced:
    """Trace a model in evaluation mode; sizes of tensors in which two calls differ are left open.

    Args:
        model: to export.
        whole: call with a batch, whose sizes are kept where they cannot be left open.
        sized: returns two calls with batches of different sizes above 1, which tracing takes for a constant. An error
            of the model in them is the reason for a fixed size.

    Raises:
        BadInput: if it cannot be traced.
    """
    with torch.no_grad(), _quiet():
        try:
            first, second = sized()
            open_sizes = AdditionalInputs()
            open_sizes.add(first.args, first.options)
            open_sizes.add(second.args, second.options)
            with _plain_output(model):
                program = torch.export.export(
                    model,
                    first.args,
                    first.options,
                    dynamic_shapes=open_sizes,  # pyright: ignore[reportArgumentType]  (documented, and not in its type)
                )
            return Traced(program, "")
        except Exception as error:  # noqa: BLE001  (whatever the model's code raises)
            why_fixed = error_text(error)
        try:
            with _plain_output(model):
                return Traced(torch.export.export(model, whole.args, whole.options), why_fixed)
        except Exception as error:
            at = f" at {line}" if (line := user_location(error)) else ""
            raise BadInput(
                f"the model cannot be exported: torch.export stops{at}: {error_text(error)}. "
                "Python code that looks at values of tensors (if, while) cannot be traced; see "
                "https://docs.pytorch.org/docs/stable/export.html for what a model may do."
            ) from error


@contextmanager
def _plain_output(model: nn.Module) -> Generator[None]:
    """Let a model return plain containers: a file that runs without its Python code has no classes of it."""
    hook = model.register_forward_hook(lambda module, args, output: plain(output))
    try:
        yield
    finally:
        hook.remove()


def plain(output: Any) -> Any:
    """Return a tree with dataclasses and mappings as dicts, without fields that are None; tensors keep their order."""
    if is_record(output):
        parts = {field.name: getattr(output, field.name) for field in fields(output)}
        return {name: plain(part) for name, part in parts.items() if part is not None}
    if isinstance(output, Mapping):
        return {name: plain(part) for name, part in cast("Mapping[Any, Any]", output).items()}
    return type(output)(map(plain, output)) if type(output) in (tuple, list) else output


def write_pt2(program: ExportedProgram, path: Path) -> Function:
    """Write a program as PyTorch's own archive, and load it back."""
    with _quiet():
        torch.export.save(program, path)
        module = torch.export.load(path).module()

    def function(call: Call) -> list[Tensor]:
        with torch.no_grad():
            return tensors_of_call(module(*call.args, **call.options))

    return function


def write_onnx(program: ExportedProgram, path: Path) -> Function:
    """Write a program as ONNX, and load it into ONNX Runtime.

    Raises:
        BadInput: if the packages are missing, or an operator has no form in ONNX.
    """
    _save_onnx(program, path)
    return _in_onnx_runtime(path)


def _save_onnx(program: ExportedProgram, path: Path) -> None:
    attribute_of(("onnxscript",), "script", missing=_MISSING.format("onnx"))
    with _quiet():
        try:
            made = torch.onnx.export(program, dynamo=True, verbose=False)
        except Exception as error:
            raise BadInput(f"the model cannot be exported to ONNX: {error_text(error)}. Export it to pt2.") from error
    assert made is not None, "a program is exported with dynamo"
    made.save(path)


class Quantized(NamedTuple):
    """An int8 model, and what was quantized how, in words."""

    function: Function
    how: str


def write_int8(program: ExportedProgram, path: Path, calibration: Sequence[Call]) -> Quantized:
    """Write a program as ONNX with weights and activations of its products in int8, and load it into ONNX Runtime.

    Weights get 7 bits: products of 8 bits overflow on x86 processors without VNNI (0.24 of the largest output on the
    digits, 0.011 with 7), and one file has to be right everywhere. The range of activations is found in each call,
    or, with convolutions, whose int8 kernels need it beforehand, on the calibration data.

    Raises:
        BadInput: see `write_onnx`.

    Source: Jacob et al., 2018, arXiv:1712.05877; onnxruntime.quantization.
    """
    missing = _MISSING.format("int8")
    quantization = "onnxruntime.quantization"
    dynamic = attribute_of((quantization,), "quantize_dynamic", missing=missing)
    static = attribute_of((quantization,), "quantize_static", missing=missing)
    int8 = attribute_of((quantization,), "QuantType", missing=missing).QInt8
    prepare = attribute_of((f"{quantization}.shape_inference",), "quant_pre_process", missing=missing)
    with TemporaryDirectory() as folder:
        plain, prepared = Path(folder) / "plain.onnx", Path(folder) / "prepared.onnx"
        _save_onnx(program, plain)
        with _quiet():
            prepare(str(plain), str(prepared))
            graph = attribute_of(("onnx",), "load", missing=missing)(prepared).graph
            if any(node.op_type == _CONVOLUTION for node in graph.node):
                data = _calibration_data([one.name for one in graph.input], calibration)
                static(str(prepared), str(path), data, per_channel=True, weight_type=int8, reduce_range=True)
                samples = sum(len(call.given[0]) for call in calibration)
                how = f"ranges of activations come from {samples} training samples"
            else:
                dynamic(str(prepared), str(path), per_channel=True, weight_type=int8, reduce_range=True)
                how = "ranges of activations are found in each call"
    return Quantized(_in_onnx_runtime(path), how)


def _calibration_data(names: Sequence[str], calls: Sequence[Call]) -> Any:
    """Return the calls as ONNX Runtime reads calibration data; `names`: of the inputs."""
    reader: Any = attribute_of(("onnxruntime.quantization",), "CalibrationDataReader", missing=_MISSING.format("int8"))
    rest = iter(calls)

    class Calls(reader):  # an abstract class of theirs
        def get_next(self) -> dict[str, Any] | None:
            call = next(rest, None)
            return None if call is None else _named(names, call)

    return Calls()


def _named(names: Sequence[str], call: Call) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in zip(names, call.given, strict=True)}


def _in_onnx_runtime(path: Path) -> Function:
    make = attribute_of(("onnxruntime",), "InferenceSession", missing=_MISSING.format("onnx"))
    options = attribute_of(("onnxruntime",), "SessionOptions", missing=_MISSING.format("onnx"))()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = make(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def function(call: Call) -> list[Tensor]:
        return [torch.from_numpy(array) for array in session.run(None, _named(names, call))]

    return function


@contextmanager
def _quiet() -> Generator[None]:
    """Keep back what exporters say of themselves: deprecated names, missing packages, the graph they failed in."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
