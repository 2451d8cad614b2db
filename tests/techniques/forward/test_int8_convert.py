"""Which layers are converted, what is said of the others, and that the way back leaves a plain model."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from hasten.base.errors import Refused
from hasten.techniques import native
from hasten.techniques.forward.int8 import convert as module
from hasten.techniques.forward.int8 import quantize
from hasten.techniques.forward.int8.convert import convert, revert
from hasten.techniques.forward.int8.layers import choose
from hasten.techniques.forward.int8.linear import Int8Linear, Int8Settings, hold_weights


class Named(nn.Linear):
    """A subclass, which may compute something else."""


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(64, 64)
        self.tied = nn.Linear(64, 64, bias=False)
        self.tied.weight = self.embedding.weight
        self.up, self.down = nn.Linear(64, 96), nn.Linear(96, 64)
        self.small = nn.Linear(64, 33)
        self.thin, self.other, self.double = nn.Linear(64, 8), Named(64, 64), nn.Linear(64, 64).double()
        self.lm_head = nn.Linear(64, 64)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.lm_head(self.down(torch.relu(self.up(self.embedding(tokens)))))


@pytest.fixture(autouse=True)
def _able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "unsupported", lambda: None)


def test_every_linear_layer_is_converted_or_has_a_reason() -> None:
    model = Tiny()
    done = convert(model, min_features=64)
    assert done.converted == ("up", "down")
    assert done.skipped == {
        "tied": "its weight is shared by embedding, tied",
        "thin": "64 -> 8 features; int8 products are safe from 32 on",
        "small": "64 -> 33 features, 44 in the harmonic mean; below 64 int8 saves less than it costs",
        "other": "it is a Named, which may compute something else than nn.Linear",
        "double": "its weight is float64, not float32 or bfloat16",
        "lm_head": "'lm_head' is on the list of names to skip",
    }
    assert type(model.up) is type(model.down) is Int8Linear


def test_names_may_be_skipped_in_full_or_by_their_last_part() -> None:
    model = nn.Sequential(Tiny(), Tiny())
    assert convert(model, min_features=64, skip={"0.up", "down"}).converted == ("0.lm_head", "1.up", "1.lm_head")


def test_parameters_stay_and_state_dicts_load_both_ways() -> None:
    model = Tiny()
    before = dict(model.named_parameters())
    names = list(model.state_dict())
    convert(model, min_features=64)
    hold_weights(model)
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
    assert list(model.state_dict()) == names
    assert not list(model.buffers())
    Tiny().load_state_dict(model.state_dict())
    model.load_state_dict(Tiny().state_dict())


def test_reverting_leaves_a_plain_model_with_what_was_learnt() -> None:
    model = Tiny()
    attributes = set(vars(model.up))
    convert(model, min_features=64, settings=Int8Settings(least_work=0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = model.up.weight.detach().clone()
    model(torch.arange(64)).square().mean().backward()
    hold_weights(model)
    optimizer.step()
    learnt = model.up.weight.detach().clone()
    assert revert(model) == ("up", "down")
    assert type(model.up) is nn.Linear
    assert set(vars(model.up)) == attributes
    assert torch.equal(model.up.weight, learnt)
    assert not torch.equal(start, learnt)
    assert revert(model) == ()


def test_a_processor_that_cannot_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "unsupported", lambda: "the processor is a teapot")
    model = Tiny()
    with pytest.raises(Refused, match="int8 training cannot help here: the processor is a teapot"):
        convert(model, min_features=64)
    assert type(model.up) is nn.Linear


def test_a_model_without_a_layer_that_qualifies_is_refused() -> None:
    with pytest.raises(Refused, match="it: 64 -> 64 features, 64 in the harmonic mean; below 320"):
        convert(nn.Linear(64, 64))
    with pytest.raises(Refused, match="it has no linear layer"):
        convert(nn.ReLU())


def test_sums_that_may_overflow_and_other_devices_are_named() -> None:
    with torch.device("meta"):
        wide, far = nn.Linear(140_000, 512), nn.Linear(512, 512)
    with pytest.raises(Refused, match="a sum of more than 133144 products may overflow 32 bits"):
        choose(wide, device="meta")
    with pytest.raises(Refused, match="it is on meta, not on cpu"):
        choose(far)


@pytest.fixture
def _without_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(native, "compiler_path", lambda: None)
    native.forget()
    yield
    native.forget()


@pytest.mark.usefixtures("_without_compiler")
def test_a_machine_without_a_compiler_trains_uncompiled() -> None:
    assert native.library(quantize.KERNELS, torch.float32) is None
    model = Tiny()
    convert(model, min_features=64, settings=Int8Settings(least_work=0))
    model(torch.arange(64)).square().mean().backward()
    assert model.up.weight.grad is not None
