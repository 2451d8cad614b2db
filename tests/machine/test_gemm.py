"""Only right products are rated, and random operands come from nobody's generator."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hasten.machine.formats import GemmFormat, gemm_formats
from hasten.machine.gemm import examine, gemm_benchmarks, operands, relative_error

FLOAT32 = gemm_formats("cpu")[0]
ONEDNN = GemmFormat(name="float32", backend="onednn", dtype=torch.float32, multiply=torch.mm, error=1e-5)


def test_default_fp32_passes() -> None:
    assert examine(FLOAT32, "cpu") == (FLOAT32, "")


def test_every_cpu_format_is_right_or_explained() -> None:
    for form in gemm_formats("cpu"):
        found, note = examine(form, "cpu")
        assert (found is None) <= bool(note) or form.backend == "onednn"
        if found is not None:
            left, right = operands(found, (33, 65, 129), "cpu")
            with found.scope():
                assert relative_error(found.multiply(left, right.t()), left, right) <= found.error


def test_bfloat16_and_int8_are_among_the_cpu_formats() -> None:
    assert {form.name for form in gemm_formats("cpu")} >= {"float32", "bfloat16", "float16", "int8"}
    assert {form.name for form in gemm_formats("cuda")} == {
        "float32", "tf32", "bfloat16", "float16", "int8", "float8",
    }  # fmt: skip


def test_wrong_products_are_refused() -> None:
    wrong = replace(FLOAT32, multiply=lambda a, b: torch.mm(a, b) * 1.001)
    found, note = examine(wrong, "cpu")
    assert found is None
    assert "wrong products" in note


def test_untouched_output_is_refused() -> None:
    """Some kernels have returned without writing: not a number must not pass for small."""
    found, note = examine(replace(FLOAT32, multiply=lambda a, b: torch.full((64, 64), torch.nan)), "cpu")
    assert found is None
    assert "nan" in note


@pytest.mark.parametrize("error", [RuntimeError("no kernel\nhere"), ValueError("no kernel"), NotImplementedError()])
def test_formats_without_a_kernel_are_told(error: Exception) -> None:
    def multiply(left: Tensor, right: Tensor) -> Tensor:
        raise error

    found, note = examine(replace(FLOAT32, multiply=multiply), "cpu")
    assert found is None
    assert note.startswith("float32 matmul by")
    assert "\n" not in note


def test_onednn_that_does_nothing_is_no_back_end() -> None:
    assert examine(ONEDNN, "cpu") == (None, "")


def test_onednn_that_rounds_is_named_for_it() -> None:
    def rounding(left: Tensor, right: Tensor) -> Tensor:
        return left.bfloat16().float() @ right.bfloat16().float()

    found, note = examine(replace(ONEDNN, multiply=rounding), "cpu")
    assert note == ""
    assert found is not None
    assert found.name == "bf32"


def test_int8_product_is_exact() -> None:
    """Pins torch's private operator: (M, K) by the transposed view of (N, K), summed in int32."""
    form = next(form for form in gemm_formats("cpu") if form.name == "int8")
    left, right = operands(form, (33, 40, 257), "cpu")
    assert torch.equal(form.multiply(left, right.t()).long(), left.long() @ right.long().t())


def test_float8_product_is_right_where_torch_has_it() -> None:
    """Pins torch's private operator for scaled products, which the CPU has too, if slowly."""
    form = next(form for form in gemm_formats("cuda") if form.name == "float8")
    left, right = operands(form, (32, 48, 64), "cpu")
    assert relative_error(form.multiply(left, right.t()), left, right) <= form.error


def test_private_questions_still_answer() -> None:
    assert isinstance(torch.ops.mkldnn._is_mkldnn_bf16_supported(), bool)
    assert isinstance(torch.ops.mkldnn._is_mkldnn_fp16_supported(), bool)


def test_relative_error_of_a_known_error() -> None:
    left, right = torch.randn(5, 7), torch.randn(3, 7)
    exact = left.double() @ right.double().t()
    assert relative_error(exact * 1.25, left, right) == pytest.approx(0.25)


def test_operands_repeat_and_leave_the_global_generator() -> None:
    before = torch.get_rng_state()
    first, second = operands(FLOAT32, (3, 5, 7), "cpu"), operands(FLOAT32, (3, 5, 7), "cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert (first[0].shape, first[1].shape) == ((3, 7), (5, 7))


def test_sizes_that_do_not_fit_are_left_out() -> None:
    sizes = [(64, 64, 64), (8, 64, 64), (33, 65, 129), (32, 32, 32)]
    form = replace(FLOAT32, smallest=32, multiple=16)
    found = gemm_benchmarks(form, sizes, "cpu")
    assert [one.size for one in found] == [(64, 64, 64), (32, 32, 32)]
    assert [one.work for one in found] == [2 * 64**3, 2 * 32**3]


def test_a_benchmark_runs_its_product() -> None:
    (one,) = gemm_benchmarks(FLOAT32, [(5, 6, 7)], "cpu")
    with one.ready() as run:
        product = run()
    assert isinstance(product, Tensor)
    assert product.shape == (5, 6)
