"""Precision flags are as they were, whatever they were, and do what the measurement needs in between."""

from collections.abc import Callable, Iterator

import pytest
import torch

from hasten.machine import precision
from hasten.machine.precision import fp32_precision, product_format

_B = torch.backends


def _flags() -> tuple[str, ...]:
    return (
        _B.fp32_precision,
        _B.mkldnn.fp32_precision,
        _B.mkldnn.matmul.fp32_precision,
        _B.mkldnn.conv.fp32_precision,
        _B.mkldnn.rnn.fp32_precision,
        _B.cudnn.fp32_precision,
        _B.cudnn.conv.fp32_precision,
        _B.cuda.matmul.fp32_precision,
    )


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    for module in (_B.mkldnn.matmul, _B.mkldnn.conv, _B.cuda.matmul, _B.cudnn, _B.mkldnn, _B):
        module.fp32_precision = "none"
    assert torch.get_float32_matmul_precision() == "highest"


def _set(module: object, value: str) -> Callable[[], None]:
    return lambda: setattr(module, "fp32_precision", value)


FOUND: dict[str, Callable[[], None]] = {
    "as torch starts": lambda: None,
    "legacy medium": lambda: torch.set_float32_matmul_precision("medium"),
    "legacy high": lambda: torch.set_float32_matmul_precision("high"),
    "legacy back to highest": lambda: torch.set_float32_matmul_precision("highest"),
    "own flag": _set(_B.mkldnn.matmul, "bf16"),
    "flag of the back end": _set(_B.mkldnn, "bf16"),
    "general flag": _set(_B, "tf32"),
}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("operation", ["matmul", "conv"])
@pytest.mark.parametrize("found", FOUND)
def test_flags_are_put_back(found: str, device: str, operation: str) -> None:
    FOUND[found]()
    before = _flags()
    with pytest.raises(ZeroDivisionError), fp32_precision(device, operation, "ieee"):
        raise ZeroDivisionError
    with fp32_precision(device, operation, "tf32"):
        pass
    assert _flags() == before


@pytest.mark.parametrize(("device", "operation"), [("cpu", "matmul"), ("cpu", "conv"), ("cuda", "conv")])
def test_what_was_unset_stays_unset(device: str, operation: str) -> None:
    """An unset flag follows the general one later; had its read value been written back, it would not."""
    own = getattr(_B.mkldnn if device == "cpu" else _B.cudnn, operation)
    _B.fp32_precision = "ieee"
    if own.fp32_precision != "ieee":
        pytest.skip("this torch starts with that flag set: up to 2.11, convolutions on the GPU are")
    _B.fp32_precision = "tf32"
    with fp32_precision(device, operation, "ieee"):
        assert own.fp32_precision == "ieee"
    assert own.fp32_precision == "tf32"
    _B.fp32_precision = "ieee"
    assert own.fp32_precision == "ieee"


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
@pytest.mark.parametrize(("device", "operation"), [("cpu", "matmul"), ("cuda", "matmul"), ("cuda", "conv")])
@pytest.mark.parametrize("found", FOUND)
def test_the_asked_precision_holds_inside(found: str, device: str, operation: str, precision: str) -> None:
    FOUND[found]()
    own = {
        ("cpu", "matmul"): _B.mkldnn.matmul,
        ("cuda", "matmul"): _B.cuda.matmul,
        ("cuda", "conv"): _B.cudnn.conv,
    }[device, operation]
    with fp32_precision(device, operation, precision):
        assert own.fp32_precision == precision


def test_legacy_setting_survives() -> None:
    torch.set_float32_matmul_precision("medium")
    with fp32_precision("cpu", "matmul", "ieee"):
        pass
    assert torch.get_float32_matmul_precision() == "medium"


def test_matmul_takes_another_route_inside() -> None:
    """On CPUs where oneDNN takes fp32 products the bits differ; elsewhere the permission is without effect."""
    left, right = torch.randn(64, 2048), torch.randn(2048, 64)
    with fp32_precision("cpu", "matmul", "ieee"):
        plain = left @ right
    with fp32_precision("cpu", "matmul", "bf16"):
        routed = left @ right
    if torch.cpu._is_avx512_supported() and torch.backends.mkl.is_available():
        assert not torch.equal(plain, routed)
    torch.testing.assert_close(plain, routed, atol=2.0, rtol=0.01)  # wide enough where it rounds to bf16
    assert torch.equal(plain, left @ right)


@pytest.fixture
def _ampere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_has_tf32", lambda: True)


@pytest.mark.usefixtures("_ampere")
def test_convolutions_on_a_gpu_use_tf32_unless_that_is_forbidden() -> None:
    _B.cudnn.allow_tf32 = True
    _B.cuda.matmul.allow_tf32 = False
    assert product_format("conv", "float32", "cuda") == "tf32"
    assert product_format("conv", "bfloat16", "cuda") == "bfloat16"
    assert product_format("matmul", "float32", "cuda") == "float32"
    _B.cuda.matmul.allow_tf32 = True
    assert product_format("matmul", "float32", "cuda:0") == "tf32"
    _B.cudnn.allow_tf32 = False
    assert product_format("conv", "float32", "cuda") == "float32"


def test_gpus_without_tf32_multiply_float32_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_has_tf32", lambda: False)
    assert product_format("conv", "float32", "cuda") == "float32"


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf32"), (False, "float32")])
def test_onednn_rounds_float32_to_bfloat16_where_it_may_and_can(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, expected: str
) -> None:
    monkeypatch.setattr(precision, "_onednn_has_bf16", lambda: has_bf16)
    assert product_format("matmul", "float32", "cpu") == "float32"
    with fp32_precision("cpu", "matmul", "bf16"):
        assert product_format("matmul", "float32", "cpu") == expected
