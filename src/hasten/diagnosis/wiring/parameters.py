"""Which parameters the losses reach, an optimizer holds, and an update moves."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn, optim
from torch.nn.parameter import UninitializedParameter
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.wiring import Leaf
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import leaves
from hasten.diagnosis.wiring.live import Live, held, is_installed, live
from hasten.diagnosis.wiring.phases import Phases

UPDATES = 2
"""Updates of each optimizer in which every parameter is looked at. LoRA's A has no gradient in the first one."""
WATCHED = 20
"""Updates in which those are looked at that did not move yet: a warm-up begins at a learning rate of 0."""
SPARSE = 10
"""Updates after those between which it is only noted which gradients are there."""
MODELS = 8
"""Models that are looked at; later ones, as of the folds of a cross-validation, are like them."""
_SINGLE = 4  # bytes of a number of single precision
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class ParameterCollector(Collector):
    """Looks at the parameters in the first updates of every optimizer."""

    def __init__(self) -> None:
        self.models: list[nn.Module] = []  # outermost modules that were called with gradients recorded
        self.updates = 0
        self.backwards = 0
        self.looked = 0  # backward passes looked at
        self.by_hand = False  # parameters change though no optimizer made an update
        self._called: set[int] = set()  # modules called in training
        self._reached: set[int] = set()
        self._seen: dict[int, Tensor] = {}  # leaves that a loss reached
        self._inputs: set[int] = set()  # tensors given to models
        self._held: dict[int, Tensor] = {}
        self._rates: dict[int, float] = {}
        self._gradient: dict[int, float] = {}
        self._moved: dict[int, float] = {}
        self._rounded: dict[int, float] = {}  # share of the numbers with a gradient that the last update did not change
        self._frozen_moves: dict[int, float] = {}
        self._old: dict[int, Tensor] = {}  # copies of the gradients of frozen parameters in the last update
        self._handmade = set[int]()  # frozen parameters that get new gradients, which no backward pass makes
        self._before: dict[int, Tensor] = {}
        self._first: dict[int, Tensor] = {}  # copies of those that no loss had reached at first
        self._made: dict[int, int] = {}  # id of an optimizer -> its updates
        self._phases = Phases()
        self._optimizers = 0  # that made an update
        self._late = set[int]()  # parameters of models that were found at the end
        self._elsewhere = set[int]()  # modules alive at the start; those with gradients were trained before
        self._cut, self._unheld = set[int](), set[int]()  # parameters that a later phase loses
        self._reached_elsewhere = set[int]()  # parameters that another training like theirs reaches
        self._newest = 0  # id of the optimizer that made the last one
        self._rests = False  # whether steps were not watched
        self._copied: list[tuple[Tensor, Tensor]] = []  # parameters and what they were at the first backward pass
        self._owners: list[nn.Module] = []  # of leaves that belong to no model called
        self._looked_around = False
        self._alive: Live | None = None  # what was found last, until another collector takes it
        self._everything: tuple[Leaf, ...] | None = None

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step while the newest optimizer has made few updates; a loop may make many of them."""
        return step + 1 if self._made.get(self._newest, 0) < WATCHED and self._optimizers <= MODELS else NEVER

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Count the updates, and a backward pass for each."""
        self.updates += steps
        self.backwards += steps
        self._rests = True

    def call_begins(self, call: Call) -> None:
        """Note the models that are called with gradients recorded."""
        if not call.grad or (self.backwards > 100 and self.updates > WATCHED):
            return
        self._called.add(id(call.module))
        self._inputs |= {id(one) for one in (*call.args, *call.kwargs.values()) if isinstance(one, Tensor)}
        if len(self.models) < MODELS and not any(call.module is one for one in self.models):
            self.models.append(call.module)

    def called_inside(self, module: nn.Module) -> None:
        """Note which parts of the models are used."""
        self._called.add(id(module))
        self._phases.called(module)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Note which leaves the losses depend on."""
        self.backwards += 1
        if (self._made and min(self._made.values()) >= UPDATES) or self.looked >= 8 * UPDATES:
            return
        self.looked += 1
        found = leaves(losses)
        self._reached |= {id(one) for one in found}
        self._phases.reached(found)
        self._seen |= {id(one): one for one in found}
        if self._made:
            return
        if any(not torch.equal(one, was) for one, was in self._copied):
            self.by_hand = True
        self._copied = [(one, one.detach().clone()) for one in found[:4]]

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Note the gradients, and copy the parameters that the update should move."""
        if self._phases.is_new(optimizer) and self._optimizers < MODELS:
            self._made.pop(id(optimizer), None)
            self._optimizers += 1
        self._phases.update_begins(optimizer, self.updates, self.models)
        made = self._made.get(id(optimizer), 0)
        if made >= WATCHED:
            if made % SPARSE == 0 or self._rests:
                self._note_late(optimizer)
            return
        self._copied = []
        for group in optimizer.param_groups:
            for one in group["params"]:
                if isinstance(one, UninitializedParameter):
                    continue
                key = id(one)
                if one.grad is not None:
                    self._reached.add(key)
                if made < UPDATES or not self._moved.get(key) or not one.requires_grad:
                    self._held[key] = one
                    self._rates[key] = max(self._rates.get(key, 0.0), float(group["lr"]))
                    self._before[key] = one.detach().clone()
                    self._note_gradient(one)
                    if not one.requires_grad:
                        self._note_frozen(one)

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Note what the update changed."""
        self.updates += 1
        made = self._made.get(id(optimizer), 0)
        self._made[id(optimizer)] = made + 1
        self._newest = id(optimizer)
        if made >= WATCHED:
            return
        for one in held(optimizer):
            before = self._before.pop(id(one), None)
            if before is None or before.shape != one.shape:
                continue
            self._note_gradient(one)  # of a closure, which computes it within the update
            moved = self._moved if one.requires_grad else self._frozen_moves
            change = one.detach() - before
            moved[id(one)] = max(moved.get(id(one), 0.0), largest(change))
            if one.element_size() < _SINGLE and one.grad is not None and not one.grad.is_sparse:
                has = one.grad != 0
                self._rounded[id(one)] = float((change[has] == 0).float().mean()) if bool(has.any()) else 0.0
            if one.requires_grad and id(one) not in self._reached and id(one) not in self._first:
                self._first[id(one)] = before
        if self.updates == UPDATES:
            self._look_around()
            self._elsewhere = {id(one) for one in (self._alive.modules if self._alive is not None else ())}

    def ended(self) -> None:
        """Read what is alive at the end, as an optimizer that did not step yet, or a model that was made later."""
        self._look_around()
        self._find_later_models()
        for model in self.models:  # layers that were unfrozen, or put in, after the steps that were looked at
            self._reached |= {id(one) for one in model.parameters() if one.grad is not None}
        self._cut, self._unheld = self._phases.cut(self.models), self._phases.unheld(self.models)
        self._reached_elsewhere = self._phases.elsewhere(self._reached)
        self._everything = tuple(self._leaves())
        self._before, self._first, self._old = {}, {}, {}

    def leaves(self) -> tuple[Leaf, ...]:
        """Return what was seen of every parameter so far."""
        return self._everything if self._everything is not None else tuple(self._leaves())

    def is_reached(self, one: Tensor) -> bool:
        """Return whether a loss of the steps looked at reached this tensor."""
        return id(one) in self._reached

    def taken_alive(self) -> Live:
        """Return what is alive, found in this event if possible, since that takes 50 ms and more."""
        alive, self._alive = self._alive, None
        return alive or live()

    def _note_gradient(self, one: Tensor) -> None:
        if one.grad is not None:
            self._reached.add(id(one))
            self._gradient[id(one)] = max(self._gradient.get(id(one), 0.0), largest(one.grad))

    def _note_frozen(self, one: Tensor) -> None:
        """Note whether a frozen parameter has its old gradient, perhaps clipped or cleared, or one made by hand."""
        if one.grad is None or one.grad.is_sparse:
            return
        now, old = one.grad.detach().clone(), self._old.get(id(one))
        if old is not None and not _is_part(now, old):
            self._handmade.add(id(one))
        self._old[id(one)] = now

    def _note_late(self, optimizer: optim.Optimizer) -> None:
        """Note which tensors have a gradient by now, as layers that are unfrozen later."""
        for one in held(optimizer):
            if one.grad is not None:
                self._reached.add(id(one))
                self._held.setdefault(id(one), one)

    def _look_around(self) -> None:
        """Find the optimizers that did not step, and the modules of leaves that no model called has."""
        self._looked_around = True
        alive = self._alive = live()
        known = {id(one) for model in self.models for one in model.parameters()}
        for optimizer in alive.optimizers:
            tensors = {id(one): one for one in held(optimizer)}
            if tensors.keys() & (known | self._reached):  # not of another training of this process
                self._held = tensors | self._held
        lost = [one for key, one in self._seen.items() if key not in known]
        models = {id(one) for model in self.models for one in model.modules()}
        for owner in alive.owners(lost) if lost else ():
            contains = any(id(one) in models for one in owner.modules())
            if contains and not any(owner is one for one in (*self._owners, *self.models)):
                self._owners.append(owner)

    def _find_later_models(self) -> None:
        """Find models that took the place of others: of their class, with gradients, in steps that were not watched.

        A new optimizer would have been watched in its first steps, with the model. Where all are held, this one trains.
        """
        if self._alive is None or self._optimizers >= MODELS:
            return
        kinds = {type(one) for one in self.models}
        known = self._reached | self._held.keys()
        held_now = {id(one) for optimizer in self._alive.optimizers for one in held(optimizer)}
        found = list[nn.Module]()
        for one in self._alive.modules:
            own = list(one.parameters()) if type(one) in kinds and id(one) not in self._elsewhere else []
            trained = own and all(each.grad is not None for each in own if each.requires_grad)
            if trained and not any(id(each) in known or id(each) in held_now for each in own):
                found.append(one)
        inside = {id(part) for one in found for part in one.modules() if part is not one}
        for one in found:
            if id(one) not in inside:
                if len(self.models) < MODELS and not any(one is model for model in self.models):
                    self.models.append(one)
                self._called |= {id(part) for part in one.modules()}
                self._late |= {id(each) for each in one.parameters()}

    def _leaves(self) -> Iterator[Leaf]:
        if not self._looked_around:
            self._look_around()
        done: set[int] = set()
        trees = list(enumerate((*self.models, *self._owners)))
        for index, model in sorted(trees, key=lambda tree: -sum(1 for _ in tree[1].modules())):
            for name, owner, one, above in _named(model):
                if id(one) not in done and not isinstance(one, UninitializedParameter):
                    done.add(id(one))
                    yield self._leaf(
                        one,
                        name=plain(name),
                        model=index,
                        called=id(owner) in self._called,
                        alternative=id(one) in self._reached_elsewhere or self._is_alternative(owner, above),
                        spare=self._is_spare(one, owner, above),
                        library=self._is_of_library(above),
                        noise=isinstance(owner, nn.Embedding) and not one.requires_grad and is_noise(one),
                    )
        attributes = self._attributes()
        for key, one in (self._held | self._seen).items():
            if key not in done and not isinstance(one, UninitializedParameter):
                yield self._leaf(
                    one,
                    name="",
                    model=None,
                    parameter=key not in self._inputs and (isinstance(one, nn.Parameter) or key in attributes),
                )

    def _leaf(
        self,
        one: Tensor,
        *,
        name: str,
        model: int | None,
        called: bool | None = None,
        alternative: bool = False,
        spare: bool = False,
        library: bool = False,
        parameter: bool = True,
        noise: bool = False,
    ) -> Leaf:
        key = id(one)
        first = self._first.get(key)
        return Leaf(
            name=name,
            numel=one.numel(),
            shape=tuple(one.shape),
            trainable=one.requires_grad,
            model=model,
            held=key in self._held and key not in self._unheld,
            unfrozen=key in self._unheld,
            cut=key in self._cut,
            late=key in self._late,
            reached=key in self._reached if self.looked or self.updates else None,
            gradient=self._gradient.get(key),
            moved=self._moved.get(key),
            rounded=self._rounded.get(key, 0.0),
            rate=self._rates.get(key),
            size=largest(one.detach().nan_to_num(0.0, 0.0, 0.0)),
            resolution=torch.finfo(one.dtype).eps if one.is_floating_point() or one.is_complex() else 0.0,
            called=called,
            alternative=alternative,
            spare=spare,
            library=library,
            parameter=parameter,
            frozen_moves=None if key in self._handmade else self._frozen_moves.get(key),
            noise=noise,
            replaced=largest(one.detach() - first) if first is not None and first.shape == one.shape else None,
        )

    def _is_alternative(self, owner: nn.Module, above: Sequence[nn.Module]) -> bool:
        """Return whether a module stands beside others of a list or a dictionary that are called instead of it."""
        chain = [*above, owner]
        for parent, child in pairwise(chain):
            if isinstance(parent, (nn.ModuleList, nn.ModuleDict)) and not self._uses(child):
                return any(self._uses(one) for one in parent.children())
        return False

    def _is_spare(self, one: Tensor, owner: nn.Module, above: Sequence[nn.Module]) -> bool:
        """Return whether a block hands on what no block comes after it for: it is the last of several alike.

        All others of its class have the same parameter reached, and others of its own are reached. Where each kind of
        layer has a list of its own, the last of another list as long takes the place of those.
        """
        chain = [*above, owner]
        for place, (parent, child) in enumerate(pairwise(chain)):
            if id(one) in self._reached or not isinstance(parent, (nn.ModuleList, nn.Sequential)):
                continue
            *before, last = parent.children()
            alike = [block for block in before if type(block) is type(child)]
            if last is not child or not alike:
                continue
            name = next(name for name, each in child.named_parameters() if each is one)
            same = [dict(block.named_parameters()).get(name) for block in alike]
            others = [
                list(beside.children())[-1]
                for beside in (chain[place - 1].children() if place else ())
                if isinstance(beside, nn.ModuleList) and beside is not parent and len(beside) == len(before) + 1
            ]
            reached = [id(each) in self._reached for each in same if each is not None]
            if reached and all(reached) and any(self._reaches(block) for block in (child, *others)):
                return True
        return False

    def _reaches(self, module: nn.Module) -> bool:
        return any(id(one) in self._reached for one in module.parameters())

    def _uses(self, module: nn.Module) -> bool:
        return any(id(one) in self._called for one in module.modules())

    def _is_of_library(self, above: Sequence[nn.Module]) -> bool:
        """Return whether the module around it is of an installed package and trains apart from this parameter."""
        around = next((one for one in reversed(above) if not isinstance(one, _CONTAINERS)), None)
        return (
            around is not None
            and is_installed(type(around))
            and any(id(one) in self._reached for one in around.parameters())
        )

    def _attributes(self) -> set[int]:
        """Return the tensors that the models have as plain attributes, also in lists and dictionaries."""
        found: set[int] = set()
        for model in (*self.models, *self._owners):
            for module in model.modules():
                for name, value in vars(module).items():
                    if name not in ("_parameters", "_buffers", "_modules"):
                        values = value.values() if isinstance(value, dict) else value
                        inside = values if isinstance(value, (list, tuple, dict)) else (value,)
                        found |= {id(one) for one in inside if isinstance(one, Tensor)}
        return found


def _named(
    model: nn.Module, prefix: str = "", above: tuple[nn.Module, ...] = ()
) -> Iterator[tuple[str, nn.Module, Tensor, tuple[nn.Module, ...]]]:
    """Yield name, module, parameter and the modules around it, the outermost first."""
    for name, one in vars(model)["_parameters"].items():
        if one is not None:
            yield prefix + name, model, one, above
    for name, child in vars(model)["_modules"].items():
        if child is not None:
            yield from _named(child, f"{prefix}{name}.", (*above, model))


def plain(name: str) -> str:
    """Return a parameter's name without what DistributedDataParallel and torch.compile put before it."""
    while name.startswith(("module.", "_orig_mod.", "_fsdp_wrapped_module.")):
        name = name.partition(".")[2]
    return name.replace("._orig_mod.", ".").replace("._fsdp_wrapped_module.", ".")


_ENOUGH, _MOST = 500, 2_000_000
"""Numbers that tell noise from vectors that were learned, and that are looked at."""


def is_noise(weight: Tensor) -> bool:
    """Return whether the numbers of a matrix are like independent draws of one normal distribution.

    Their mean and kurtosis are within 5 standard errors, and the largest singular value is at most a tenth above that
    of noise (Marchenko and Pastur 1967).
    """
    values = weight.detach().double().cpu()
    if values.ndim != 2 or not _ENOUGH <= values.numel() <= _MOST or min(values.shape) < 2:
        return False
    values = values[values.any(1)]  # without the row of the padding
    spread = float(values.std())
    if not values.numel() or not 0 < spread < float("inf"):
        return False
    scaled = values / spread
    count = scaled.numel()
    if abs(float(scaled.mean())) > 5 / count**0.5 or abs(float(scaled.pow(4).mean()) - 3) > 5 * (24 / count) ** 0.5:
        return False
    edge = len(scaled) ** 0.5 + scaled.shape[1] ** 0.5
    return float(torch.linalg.matrix_norm(scaled, 2)) <= 1.1 * edge


def _is_part(now: Tensor, old: Tensor) -> bool:
    """Return whether a gradient is the old one times a number from 0 to 1, as clipping and clearing leave it."""
    square = float(old.square().sum())
    share = float((now * old).sum()) / square if square else 0.0
    return 0 <= share <= 1 + _ROUNDED and largest(now - share * old) <= _ROUNDED * largest(old)


_ROUNDED = 1e-3


def largest(tensor: Tensor) -> float:
    """Return the largest absolute value; of a sparse tensor, of its values."""
    values = tensor.coalesce().values() if tensor.is_sparse else tensor
    values = values if values.is_floating_point() or values.is_complex() else values.float()
    return float(torch.linalg.vector_norm(values, float("inf"))) if values.numel() else 0.0
