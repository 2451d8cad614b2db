"""CUDA graphs and float8: what can be known of them without a GPU, and on one."""

import sys
from types import ModuleType
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor, nn

from hasten import Stop, Task
from hasten.base.records.machine import Gpu, Machine
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.forward import cuda_graphs, fp8
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline

from tiny_tasks import block_task, mlp_task

LONG = Stop(steps=4000)


def with_gpu(capability: tuple[int, int]) -> Machine:
    return msgspec.structs.replace(facts(), gpu=Gpu(name="a GPU", capability=capability, memory_bytes=1))


def on_gpu(task: Task) -> Recipe:
    return baseline(task, device="cuda")


def test_cuda_graphs_refuse_cpus_short_runs_and_changing_shapes() -> None:
    technique, machine = make("cuda_graphs"), with_gpu((8, 0))
    assert "the run is on cpu" in str(technique.refuse(baseline(mlp_task(stop=LONG)), machine))
    assert "too few" in str(technique.refuse(on_gpu(mlp_task()), machine))
    growing = make("progressive_length").apply(on_gpu(block_task(stop=LONG)))
    assert "shape of the batches changes" in str(technique.refuse(growing, machine))
    assert technique.refuse(on_gpu(mlp_task(stop=LONG)), machine) is None


def test_only_the_forward_pass_of_training_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(function: Any, *, mode: str) -> Any:
        def fast(*args: Any) -> Any:
            asked.append(mode)
            return function(*args)

        return fast

    monkeypatch.setattr(cuda_graphs.torch, "compile", note)
    monkeypatch.setattr(cuda_graphs.torch.compiler, "cudagraph_mark_step_begin", lambda: asked.append("begun"))
    run = build(make("cuda_graphs").apply(baseline(mlp_task())))
    _, batch = next(run.batches())
    output = run.predict(batch)
    run.loss(output, batch).sum.backward()
    with torch.no_grad():
        run.predict(batch)
    assert asked == ["begun", "reduce-overhead"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")
@pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")  # torch warms its graphs up with an empty one
def test_recorded_training_agrees_on_a_gpu() -> None:
    from hasten.training.step import step

    recipe = on_gpu(mlp_task(samples=64, stop=LONG))
    plain, run = build(recipe), build(make("cuda_graphs").apply(recipe))
    for mine, theirs in zip(_some(run.batches(), 20), _some(plain.batches(), 20), strict=True):
        for one, (ids, batch) in ((run, mine), (plain, theirs)):
            step(one, batch)
            one.advance(len(ids), 0.0)
    for mine, theirs in zip(run.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


def _some(stream: Any, count: int) -> list[Any]:
    return [next(stream) for _ in range(count)]


def wide() -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 32), nn.Linear(32, 40), nn.Linear(40, 32), nn.Linear(32, 2)
    )


def test_float8_refuses_what_cannot_multiply_it(monkeypatch: pytest.MonkeyPatch) -> None:
    technique, task = make("fp8", {"least": 32}), mlp_task(model=wide)
    assert "the run is on cpu" in str(technique.refuse(baseline(task), with_gpu((9, 0))))
    assert "8.0; float8 products came with 8.9" in str(technique.refuse(on_gpu(task), with_gpu((8, 0))))
    monkeypatch.setattr(fp8.importlib.util, "find_spec", lambda name: None)
    assert "pip install torchao" in str(technique.refuse(on_gpu(task), with_gpu((9, 0))))
    monkeypatch.setattr(fp8.importlib.util, "find_spec", lambda name: object())
    assert technique.refuse(on_gpu(task), with_gpu((9, 0))) is None
    assert "no linear layer but the last has 1024" in str(make("fp8").refuse(on_gpu(task), with_gpu((9, 0))))


def test_torchao_gets_the_wide_layers_and_undo_takes_its_layers_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Float8Linear(nn.Linear):
        """Stands for torchao's layer: a linear layer with the parameters of the plain one."""

    class Float8LinearConfig:
        @staticmethod
        def from_recipe_name(name: str) -> str:
            return name

    def convert(model: nn.Module, *, module_filter_fn: Any, config: str) -> nn.Module:
        asked.append(config)
        for name, layer in list(model.named_modules()):
            if isinstance(layer, nn.Linear) and module_filter_fn(layer, name):
                made = Float8Linear(layer.in_features, layer.out_features)
                made.weight, made.bias = layer.weight, layer.bias
                setattr(model, name, made)
        return model

    asked: list[str] = []
    module = ModuleType("torchao.float8")
    module.__dict__.update(Float8LinearConfig=Float8LinearConfig, convert_to_float8_training=convert)
    monkeypatch.setitem(sys.modules, "torchao", ModuleType("torchao"))
    monkeypatch.setitem(sys.modules, "torchao.float8", module)
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda layer: compiled.append(layer))
    model = wide()
    weight: Tensor = model[2].weight
    changed = fp8.convert(model, least=32, scaling="rowwise")
    assert asked == ["rowwise"]
    assert [type(layer).__name__ for layer in changed].count("Float8Linear") == 1  # 64 x 32: 40 is no multiple of 16
    assert compiled == [changed[2]]
    undone = fp8.plain_layers(changed)
    assert type(undone[2]) is nn.Linear
    assert undone[2].weight is weight


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float8_training_on_a_gpu_is_near() -> None:
    pytest.importorskip("torchao")
    from hasten.training.step import step

    recipe = on_gpu(mlp_task(model=lambda: nn.Sequential(nn.Linear(5, 256), nn.Linear(256, 256), nn.Linear(256, 2))))
    technique = make("fp8", {"least": 256})
    if (reason := technique.refuse(recipe, facts())) is not None:
        pytest.skip(reason)
    plain, run = build(recipe), build(technique.apply(recipe))
    losses = []
    for one in (plain, run):
        losses.append([float(step(one, batch).sum) for _, batch in _some(one.batches(), 5)])
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
