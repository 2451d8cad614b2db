"""What is done to gradients before an update, and to parameters after it: functions with explicit state.

The state of each is a dict of tensors and plain values. It belongs to the session, is saved in its checkpoints and
resumes; a transform itself remembers nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

Parameters: TypeAlias = Mapping[str, nn.Parameter]
"""Name -> parameter, of those that are trained, in the model's order."""
State: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StepInfo:
    """Where a run stands: updates made before this one, and the fraction of the run that is done, from 0 to 1."""

    step: int
    progress: float


class GradientTransform(Protocol):
    """Changes gradients before the update, or vetoes it: clipping, averaging over processes, noise."""

    def init(self, parameters: Parameters) -> State:
        """Return the state before the first step."""
        ...

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        """Change `.grad` of the parameters and the state in place; return False to skip this update.

        All transforms run in every step, also after one that returned False.
        """
        ...


class PostStep(Protocol):
    """Runs after each update that was made: averages of weights, masks."""

    def init(self, parameters: Parameters) -> State:
        """Return the state before the first step."""
        ...

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> None:
        """Change the parameters and the state in place."""
        ...


@runtime_checkable
class Averaging(Protocol):
    """A post-step that keeps the weights that the run is evaluated by and ends with."""

    def averages(self, state: State) -> Mapping[str, Tensor]:
        """Return name -> average, of the parameters that have one; empty while there is none."""
        ...


@runtime_checkable
class LeavesOut(Protocol):
    """A gradient transform that leaves whole batches out, and ends the run itself where there are too many."""

    def left_out(self, state: State) -> int:
        """Return how many batches were left out so far."""
        ...


@dataclass(frozen=True)
class Stateless:
    """A gradient transform that remembers nothing: a function of the parameters that returns whether to update."""

    change: Callable[[Parameters], bool]

    def init(self, parameters: Parameters) -> State:
        """Return an empty state."""
        return {}

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        """Call the function."""
        return self.change(parameters)


Kind = TypeVar("Kind", GradientTransform, PostStep)


@dataclass
class Attached(Generic[Kind]):
    """A transform with its state in one session."""

    transform: Kind
    state: State = field(default_factory=State)

    def load_state(self, saved: State, device: str) -> None:
        """Take over a saved state; its tensors are copied to the device."""
        self.state = tree_map_only(Tensor, lambda value: value.to(device, copy=True), saved)
