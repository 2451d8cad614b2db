"""Settings of the process are on only while the run is, and formats are refused where the hardware lacks them."""

import msgspec
import pytest
import torch
from torch import nn

from hasten import Stop
from hasten.base.records.machine import Gpu
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.blocks import repeated_blocks
from hasten.techniques.forward import cpu_runtime
from hasten.techniques.forward.compile_regions import compile_blocks, compiled_in_training, uncompile_blocks
from hasten.techniques.forward.cpu_runtime import SMALLEST_NORMAL, denormals_flushed
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step

from tiny_tasks import block_task, mlp_task


def test_cpu_runtime_sets_threads_and_denormals_and_puts_them_back() -> None:
    threads, flushed = torch.get_num_threads(), denormals_flushed()
    assert not flushed
    recipe = make("cpu_runtime", {"threads": 1}).apply(baseline(mlp_task()))
    with build(recipe).contexts:
        assert torch.get_num_threads() == 1
        assert denormals_flushed()
        assert float(SMALLEST_NORMAL / 4) == 0.0
    assert (torch.get_num_threads(), denormals_flushed()) == (threads, flushed)
    kept = make("cpu_runtime", {"flush_denormals": False}).apply(baseline(mlp_task()))
    with build(kept).contexts:
        assert not denormals_flushed()


def test_cpu_runtime_counts_the_cores_once_and_not_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = list[int]()
    monkeypatch.setattr(cpu_runtime, "usable_cores", lambda: counted.append(1) or 1)
    run = build(make("cpu_runtime").apply(baseline(mlp_task())))
    before = len(counted)
    for _ in range(3):
        with run.contexts:
            assert torch.get_num_threads() == 1
    assert before
    assert len(counted) == before


def test_settings_of_other_hardware_are_refused() -> None:
    on_cpu, on_gpu = baseline(mlp_task()), baseline(mlp_task(), device="cuda")
    old = msgspec.structs.replace(facts(), gpu=Gpu(name="Old", capability=(6, 1), memory_bytes=1))
    assert "on cuda, but this technique is for CPUs" in make("cpu_runtime").refuse(on_gpu, old)
    assert "has no TF32" in make("tf32").refuse(on_cpu, old)
    assert "Old has no TF32 units" in make("tf32").refuse(on_gpu, old)
    assert "Old has no float16 units" in make("fp16").refuse(on_gpu, old)
    plain = msgspec.structs.replace(facts(), isa=("avx2",))
    assert make("fp16").refuse(on_cpu, plain) == "this CPU has no float16 arithmetic (it has avx2)"


def test_tf32_is_on_only_while_the_run_is() -> None:
    recipe = make("tf32").apply(baseline(mlp_task()))
    before = torch.get_float32_matmul_precision()
    with build(recipe).contexts:
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before


def test_fp16_computes_in_half_and_unscales_before_clipping() -> None:
    plain, half = build(baseline(mlp_task())), build(make("fp16").apply(make("clip_norm").apply(baseline(mlp_task()))))
    seen: list[torch.dtype] = []
    half.model[0].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    gradients: list[list[torch.Tensor]] = []
    for run in (plain, half):
        caught: list[torch.Tensor] = []
        run.optimizer.register_step_pre_hook(
            lambda *_, caught=caught, run=run: caught.extend(p.grad.clone() for p in run.parameters)
        )
        step(run, next(run.batches())[1])
        gradients.append(caught)
    assert seen == [torch.float16]
    norm = float(torch.nn.utils.get_total_norm(gradients[0]))
    for mine, theirs in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(mine, theirs * min(1.0, 1.0 / norm), rtol=2e-2, atol=2e-3)


def test_compile_regions_refuses_what_cannot_pay() -> None:
    machine = msgspec.structs.replace(facts(), compiler="/usr/bin/c++")
    technique, long = make("compile_regions"), Stop(steps=10_000)
    assert technique.refuse(baseline(block_task(stop=long)), machine) is None
    assert "no block that repeats" in technique.refuse(baseline(mlp_task(stop=long)), machine)
    assert "too few" in technique.refuse(baseline(block_task()), machine)
    none = msgspec.structs.replace(machine, compiler=None)
    assert "none was found" in technique.refuse(baseline(block_task(stop=long)), none)


def test_compile_regions_marks_each_block_and_takes_it_back() -> None:
    model = block_task().model()
    compile_blocks(model)
    assert all(type(block).__dict__["wrapped_by"] is compiled_in_training for block in repeated_blocks(model).values())
    with torch.no_grad():  # not compiled without gradients
        model(torch.zeros(2, 7, dtype=torch.int64))
    uncompile_blocks(model)
    assert not any("wrapped_by" in type(block).__dict__ for block in model.modules())


@pytest.mark.slow
@pytest.mark.skipif(facts().compiler is None, reason="compiling needs a C++ compiler")
def test_compiled_regions_agree_with_plain() -> None:
    plain = build(baseline(block_task(dropout=0.0)))
    compiled = build(make("compile_regions").apply(baseline(block_task(dropout=0.0))))
    batch = next(plain.batches())[1]
    for run in (plain, compiled):
        step(run, batch)
    for mine, theirs in zip(compiled.parameters, plain.parameters, strict=True):
        assert isinstance(mine, nn.Parameter)
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)
