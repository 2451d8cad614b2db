"""Several optimizers as one: for parameters that are updated by different rules, and for steps that update in turn."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import optim

State = dict[str, Any]
_OWN = ("state", "param_groups")


class SeveralOptimizers(optim.Optimizer):
    """Updates with each of some optimizers, in their order.

    Parameter groups and state are those of the members: a rate that is set here is set there. The state dict has the
    form of one optimizer, with the groups one after another; what else a member's has is under "others".

    Args:
        members: name -> optimizer.
    """

    def __init__(self, members: Mapping[str, optim.Optimizer]) -> None:
        # torch's own constructor would make groups and a state of this object's own.
        self.members = dict(members)
        first, *rest = self.members.values()
        self.defaults = {
            key: value for key, value in first.defaults.items() if all(key in other.defaults for other in rest)
        }

    def __reduce__(self) -> tuple[Any, ...]:  # torch's copies the three attributes of one optimizer
        return type(self), (self.members,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.members})"

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]  (an attribute of one optimizer)
        """The parameter groups of all members."""
        return [group for member in self.members.values() for group in member.param_groups]

    @property
    def state(self) -> dict[Any, Any]:  # type: ignore[override]
        """The state of all members, by parameter; to read, since reading a member's own makes what is not there."""
        return {key: value for member in self.members.values() for key, value in member.state.items()}

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        for member in self.members.values():
            member.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Update with each member; a closure is called once before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for member in self.members.values():
            member.step()
        return loss

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse: nothing says to which member the group belongs."""
        raise TypeError(f"add the parameter group to one of the optimizers {', '.join(self.members)}.")

    def eval(self) -> None:
        """Put the weights to evaluate with into the model, where a member has such (schedule-free ones)."""
        self._switch("eval")

    def train(self) -> None:
        """Put the weights that are trained back."""
        self._switch("train")

    def _switch(self, mode: str) -> None:
        for member in self.members.values():
            if hasattr(member, mode):
                getattr(member, mode)()

    def state_dict(self) -> State:
        """Return the state, with parameters numbered over all members."""
        state: dict[Any, Any] = {}
        groups: list[dict[str, Any]] = []
        others: dict[str, State] = {}
        start = 0
        for name, member in self.members.items():
            own = member.state_dict()
            groups += [{**group, "params": [start + one for one in group["params"]]} for group in own["param_groups"]]
            state |= {_shifted(key, start, name): value for key, value in own["state"].items()}
            if more := {key: value for key, value in own.items() if key not in _OWN}:
                others[name] = more
            start += _parameters_in(own["param_groups"])
        return {"state": state, "param_groups": groups} | ({"others": others} if others else {})

    def load_state_dict(self, state_dict: State) -> None:
        """Load what `state_dict` returned.

        Raises:
            ValueError: if it has other numbers of groups or parameters.
        """
        groups, state = list(state_dict["param_groups"]), state_dict["state"]
        if len(groups) != len(self.param_groups):
            raise ValueError(f"a state of {len(groups)} parameter groups, for optimizers with {len(self.param_groups)}")
        start = 0
        for name, member in self.members.items():
            own = [groups.pop(0) for _ in member.param_groups]
            count = _parameters_in(own)
            held: dict[Any, Any] = {
                key - start: value
                for key, value in state.items()
                if isinstance(key, int) and start <= key < start + count
            }
            prefix = f"{name}."
            held |= {key.removeprefix(prefix): value for key, value in state.items() if str(key).startswith(prefix)}
            renumbered = [{**group, "params": [one - start for one in group["params"]]} for group in own]
            others = state_dict.get("others", {}).get(name, {})
            member.load_state_dict({"state": held, "param_groups": renumbered, **others})
            start += count


def _shifted(key: Any, start: int, name: str) -> Any:
    """Return the number of a parameter among those of all members; a name of a member's own state with its prefix."""
    return start + key if isinstance(key, int) else f"{name}.{key}"


def _parameters_in(groups: list[dict[str, Any]]) -> int:
    return len({one for group in groups for one in group["params"]})


def as_one(made: object) -> optim.Optimizer | None:
    """Return an optimizer, or several in a mapping, tuple or list as one; None for anything else.

    Those of a tuple or list are named by their place: "0", "1".
    """
    if isinstance(made, optim.Optimizer):
        return made
    if isinstance(made, Mapping):
        named = {str(name): one for name, one in cast(Mapping[Any, Any], made).items()}
    elif isinstance(made, list | tuple):
        named = {str(place): one for place, one in enumerate(cast(list[Any], made))}
    else:
        return None
    if not named or not all(isinstance(one, optim.Optimizer) for one in named.values()):
        return None
    return SeveralOptimizers(named)


def by_name(optimizer: optim.Optimizer) -> Mapping[str, optim.Optimizer]:
    """Return name -> optimizer, of several as they were given; one alone is named "optimizer"."""
    return optimizer.members if isinstance(optimizer, SeveralOptimizers) else {"optimizer": optimizer}
