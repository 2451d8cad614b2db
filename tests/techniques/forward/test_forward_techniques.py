"""The techniques of the stage forward: refusals, and agreement with the plain recipe."""

import msgspec
import pytest
import torch
from torch import nn

from hasten import Stop
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.step import step

from tiny_tasks import cnn_task, mlp_task


def one_step(recipe: Recipe) -> tuple[torch.Tensor, list[torch.Tensor], nn.Module]:
    run = build(recipe)
    gradients: list[torch.Tensor] = []
    run.optimizer.register_step_pre_hook(lambda *_: gradients.extend(p.grad.clone() for p in run.parameters))
    with run.contexts:
        loss = step(run, next(run.batches())[1])
    return loss.sum / loss.count, gradients, run.model


def assert_close_to_plain(name: str, tolerance: float) -> nn.Module:
    plain = baseline(cnn_task(norm=False))
    technique = make(name)
    loss, gradients, _ = one_step(plain)
    other_loss, other_gradients, model = one_step(technique.apply(plain))
    torch.testing.assert_close(other_loss, loss, rtol=tolerance, atol=tolerance)
    for mine, theirs in zip(other_gradients, gradients, strict=True):
        assert mine.dtype == theirs.dtype
        assert (mine - theirs).norm() <= tolerance * theirs.norm() + 1e-4
    return model


def machine(**changes: object):
    return msgspec.structs.replace(facts(), gpu=None, **changes)


def test_channels_last_changes_strides_and_nothing_else() -> None:
    model = assert_close_to_plain("channels_last", 1e-4)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert make("channels_last").apply(baseline(cnn_task())).model[0].undo(model)[0].weight.is_contiguous()
    reason = make("channels_last").refuse(baseline(mlp_task()), machine())
    assert reason == "the model has no 2-dimensional convolution"


def test_onednn_fp32_is_on_only_while_the_run_is() -> None:
    recipe = make("onednn_fp32").apply(baseline(mlp_task()))
    before = torch.get_float32_matmul_precision()
    with build(recipe).contexts:
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == before
    assert_close_to_plain("onednn_fp32", 1e-4)
    assert "only with AVX-512" in make("onednn_fp32").refuse(recipe, machine(isa=("avx2",)))
    assert "AMX" in make("onednn_fp32").refuse(recipe, machine(isa=("avx512", "amx_bf16")))


def test_bf16_keeps_parameters_in_float32() -> None:
    model = assert_close_to_plain("bf16", 3e-2)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    seen: list[torch.dtype] = []
    run = build(make("bf16").apply(baseline(mlp_task())))
    run.model[0].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    step(run, next(run.batches())[1])
    assert seen == [torch.bfloat16]
    assert "no bfloat16 instructions (it has avx2)" in make("bf16").refuse(run.recipe, machine(isa=("avx2",)))


def test_compile_refuses_without_a_compiler_and_for_short_runs() -> None:
    long = baseline(mlp_task(stop=Stop(steps=100_000)))
    assert "found" in make("compile").refuse(long, machine(compiler=None))
    assert make("compile").refuse(long, machine(compiler="/usr/bin/c++")) is None
    assert "too few" in make("compile").refuse(baseline(mlp_task()), machine(compiler="/usr/bin/c++"))


@pytest.mark.slow
@pytest.mark.skipif(facts().compiler is None, reason="compiling needs a C++ compiler")
def test_compile_agrees_with_plain() -> None:
    assert_close_to_plain("compile", 1e-4)


def test_bf16_wraps_what_compile_made() -> None:
    assert "compile" in make("bf16").card.after
