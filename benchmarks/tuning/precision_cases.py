"""Small trainings, and changes of their numerics from harmless to harmful, for the study of the gate of PRECISION."""

import functools
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.gpu.cifar10 import Residual, block
from hasten import Data, Schedule, Stop, Task, Update
from hasten.data.batch import Batch, inputs_of
from hasten.tasks.fashion_mnist import task as fashion_mnist
from hasten.tasks.shakespeare import Attention, Size
from hasten.tasks.shakespeare import task as shakespeare
from hasten.techniques.applying import make
from hasten.techniques.forward.autocast import Autocast
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.transforms import Parameters, State, StepInfo
from hasten.tuning.reference_step import batches_from, gradients_of

Change = Callable[[Recipe], Recipe]
COSINE = Schedule(name="cosine", warmup=10, options={"final": 0.05})


class Recurrent(nn.Module):
    """Characters in, (batch, length); scores of the next one out: an LSTM of two layers."""

    def __init__(self, characters: int, width: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(characters, width), nn.Linear(width, characters)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)

    def forward(self, characters: Tensor) -> Tensor:
        with torch.backends.mkldnn.flags(enabled=False):  # oneDNN has no LSTM in bfloat16 without its instructions
            return self.head(self.lstm(self.embed(characters))[0])


class Patches(nn.Module):
    """A small ViT: 28 x 28 images as 16 patches of 7 x 7, two layers of width 32."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, width, 7, stride=7)
        self.position = nn.Parameter(0.02 * torch.randn(16, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images).flatten(2).mT + self.position
        for layer in self.blocks:
            x = layer(x)
        return self.head(self.norm(x).mean(1))


def resnet(width: int = 4) -> nn.Module:
    """Return a residual network with batch norm for 28 x 28 images."""
    return nn.Sequential(
        block(1, width, pool=True),
        block(width, 2 * width, pool=True),
        Residual(2 * width),
        block(2 * width, 4 * width, pool=True),
        Residual(4 * width),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


def perceptron() -> nn.Module:
    """Return a multilayer perceptron for 28 x 28 images."""
    sizes = (784, 128, 128, 64)
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))


def training(name: str, data: Path) -> Recipe:
    """Return one of the trainings, as plain PyTorch does it."""
    first, changes = FURTHER.get(name, (name, {}))
    task = _text(first, data) if first in ("gpt", "lstm") else _images(first, data)
    return baseline(replace(task, **changes))


TRAININGS = ("mlp", "lstm", "gpt", "resnet", "vit")
FURTHER: dict[str, tuple[str, dict[str, object]]] = {
    "mlp, batch 512": ("mlp", {"batch_size": 512}),
    "lstm, batch 64": ("lstm", {"batch_size": 64}),
    "resnet, lr 0.3": ("resnet", {"update": Update(optimizer="momentum", lr=0.3, schedule=COSINE)}),
}
"""With less minibatch noise, or a rate at which small differences grow: only formats and layouts are tried here."""
FORMATS = ("rounding", "bf16", "channels_last", "int8_state")


def _text(name: str, data: Path) -> Task:
    size = Size(layers=4, width=48, heads=4, length=16)
    made = shakespeare(data=data / "tinyshakespeare" / "input.txt", size=size, batch_size=8)
    valid = torch.utils.data.Subset(made.data.valid, range(0, 6000, 12))
    changes = {"data": Data(train=made.data.train, valid=valid), "stop": Stop(steps=100)}
    update = Update(optimizer="adamw", lr=2e-3, options={"betas": (0.9, 0.95)}, schedule=COSINE)
    if name == "lstm":
        changes |= {"model": functools.partial(Recurrent, 65, 32)}
        update = Update(optimizer="adam", lr=1e-2, schedule=COSINE)
    return replace(made, update=update, **changes)


def _images(name: str, data: Path) -> Task:
    made = fashion_mnist(data=data / "fashion_mnist", max_samples=12_000)
    kinds = {"mlp": perceptron, "vit": Patches, "resnet": resnet}
    updates = {
        "mlp": Update(optimizer="adam", lr=1e-3, schedule=COSINE),
        "vit": Update(optimizer="adamw", lr=2e-3, schedule=COSINE),
        "resnet": Update(optimizer="momentum", lr=0.05, schedule=COSINE),
    }
    small = (
        {"batch_size": 16, "stop": Stop(steps=100)} if name == "resnet" else {"batch_size": 32, "stop": Stop(steps=100)}
    )
    return replace(made, model=kinds[name], update=updates[name], **small)


def changes_of(name: str, recipe: Recipe) -> dict[str, Change]:
    """Return name -> change of what a training computes. Whether it does harm, whole trainings tell."""
    if name in FURTHER:
        every = changes_of(FURTHER[name][0], recipe)
        return {case: change for case, change in every.items() if case in FORMATS}
    layer = _middle(recipe)
    found: dict[str, Change] = {
        "rounding": _on_gradients(lambda g: g.mul_(1 + 1e-7 * torch.randn_like(g))),
        "bf16": lambda one: one.wrap(Autocast("cpu", torch.bfloat16)),
        "fp16, loss scale 2^-14": lambda one: one.wrap(Autocast("cpu", torch.float16)).with_backward(
            loss_scale=2.0**-14
        ),
        "weights of 3 bits' mantissa": lambda one: _rounded_weights(one, 3),
        "weights of 1 bit's mantissa": lambda one: _rounded_weights(one, 1),
        "bf16 parameters": lambda one: one.with_post_step(RoundedParameters()),
        "gradient noise 50 %": _noise(0.5),
        "gradient noise 200 %": _noise(2.0),
        "gradients clipped to 0.01": _clipped,
        "gradients halved": _on_gradients(lambda g: g.mul_(0.5)),
        "a layer's gradient zero": _on_layer(layer, lambda g: g.zero_()),
        "a layer's gradient negative": _on_layer(layer, lambda g: g.neg_()),
        "every second layer's gradient zero": _on_every_second(lambda g: g.zero_()),
        "a layer biased by 300 %": lambda one: _biased(one, recipe, 3.0, [layer]),
        "all biased by 10 %": lambda one: _biased(one, recipe, 0.1, None),
        "all biased by 30 %": lambda one: _biased(one, recipe, 0.3, None),
        "all biased by 100 %": lambda one: _biased(one, recipe, 1.0, None),
    }
    if name == "gpt":
        found["no attention mask"] = lambda one: one.with_surgery(_unmasked)
    if name == "resnet":
        found["channels_last"] = make("channels_last").apply
    if name in ("gpt", "lstm", "mlp"):
        found["int8_state"] = make("int8_state").apply
    return found


def _middle(recipe: Recipe) -> str:
    names = [name for name, value in build(recipe).named_parameters.items() if value.ndim > 1]
    return names[len(names) // 2]


def _on_gradients(change: Callable[[Tensor], object]) -> Change:
    def apply(parameters: Parameters) -> bool:
        for parameter in parameters.values():
            if parameter.grad is not None:
                change(parameter.grad)
        return True

    return lambda recipe: recipe.with_gradient(apply)


def _on_layer(layer: str, change: Callable[[Tensor], object]) -> Change:
    def apply(parameters: Parameters) -> bool:
        change(parameters[layer].grad)  # type: ignore[arg-type]
        return True

    return lambda recipe: recipe.with_gradient(apply)


def _on_every_second(change: Callable[[Tensor], object]) -> Change:
    def apply(parameters: Parameters) -> bool:
        for parameter in list(parameters.values())[::2]:
            change(parameter.grad)  # type: ignore[arg-type]
        return True

    return lambda recipe: recipe.with_gradient(apply)


def _noise(share: float) -> Change:
    """Add unbiased noise, so many times as large as each gradient."""
    return _on_gradients(lambda g: g.add_(torch.randn_like(g), alpha=share * float(g.norm()) / g.numel() ** 0.5))


def _clipped(recipe: Recipe) -> Recipe:
    def clip(parameters: Parameters) -> bool:
        nn.utils.clip_grad_norm_(parameters.values(), 0.01)
        return True

    return recipe.with_gradient(clip)


def _biased(recipe: Recipe, plain: Recipe, share: float, layers: list[str] | None) -> Recipe:
    """Add a constant vector to gradients: in a random direction, so many times as long as the mean gradient."""
    bias = _bias_vectors(plain, share)

    def add(parameters: Parameters) -> bool:
        for name in layers or bias:
            parameters[name].grad.add_(bias[name])  # type: ignore[union-attr]
        return True

    return recipe.with_gradient(add)


def _bias_vectors(plain: Recipe, share: float) -> dict[str, Tensor]:
    """Return vectors by parameter, relative to the mean gradient over 64 batches at the start."""
    run = build(plain)
    sums = {name: torch.zeros_like(value) for name, value in run.named_parameters.items()}
    for batch in batches_from(run, run.position, 64):
        for name, value in gradients_of(run, batch, seed=0)[1].items():
            sums[name] += value / 64
    generator = torch.Generator().manual_seed(11)
    found = {}
    for name, mean in sums.items():
        direction = torch.randn(mean.shape, generator=generator)
        found[name] = share * float(mean.norm()) * direction / direction.norm()
    return found


class RoundedParameters:
    """A post-step that leaves parameters as bfloat16 holds them, rounded to the nearest, so small updates are lost."""

    def init(self, parameters: Parameters) -> State:
        return {}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.copy_(parameter.bfloat16().float())


def _rounded_weights(recipe: Recipe, bits: int) -> Recipe:
    """Compute with weights of so many bits of mantissa; gradients go straight through the rounding."""

    def predict(model: nn.Module, batch: Batch) -> Tensor:
        rounded = {name: value + (_round(value.detach(), bits) - value.detach()) for name, value in _weights(model)}
        return torch.func.functional_call(model, rounded, inputs_of(batch), tie_weights=True)

    return recipe.with_forward(predict=predict)


def _weights(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in model.named_parameters() if value.ndim > 1]


def _round(value: Tensor, bits: int) -> Tensor:
    mantissa, exponent = torch.frexp(value)
    return torch.ldexp((mantissa * 2 ** (bits + 1)).round() / 2 ** (bits + 1), exponent)


def _unmasked(model: nn.Module) -> nn.Module:
    """Let every position see those after it, in training only."""
    for module in model.modules():
        if isinstance(module, Attention):
            module.forward = functools.partial(_attention, module)  # type: ignore[method-assign]
    return model


def _attention(module: Attention, x: Tensor) -> Tensor:
    parts = module.query_key_value(x).chunk(3, dim=-1)
    q, k, v = (part.unflatten(-1, (module.heads, -1)).transpose(1, 2) for part in parts)
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=not module.training)
    return module.out(mixed.transpose(1, 2).flatten(2))
