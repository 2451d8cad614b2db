"""States of a training at points all over it, kept while it goes on, from which branches begin later."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hasten.training.session import Session
from hasten.tuning.reference_step import State, state_of

MOST_KEPT, FEWEST_KEPT = 16, 4
"""States: when there are more than the most, every second one is dropped, since the length is not known before."""
COPIES = 4
"""Of the trained weights that a state takes about: themselves, two moments, and buffers."""


@dataclass
class Forks:
    """States of one training, about evenly spaced.

    Args:
        most_bytes: that they may take; where that is less than `FEWEST_KEPT` states, none is kept.

    Attributes:
        states: in the order of their steps.
        last_step: the newest step that was seen.
    """

    most_bytes: float
    states: list[State] = field(default_factory=list[State])
    last_step: int = 0
    _every: int = 1

    def see(self, run: Session) -> None:
        """Keep the state of a whole session, if it is time for the next."""
        self.last_step = step = run.position.step
        if step < self._every + (self.states[-1].position.step if self.states else 0):
            return
        held = COPIES * sum(one.numel() * one.element_size() for one in run.parameters)
        most = min(MOST_KEPT, int(self.most_bytes / max(held, 1)))
        if most < FEWEST_KEPT:
            return
        self.states.append(state_of(run))
        if len(self.states) > most:
            self.states = self.states[1::2]
            self._every = self.states[0].position.step

    def nearest(self, shares: Sequence[float]) -> list[tuple[float, State]]:
        """Return the share of the training that was done and the state, nearest to these shares, each state once."""
        done = {state.position.step / self.last_step: state for state in self.states}
        chosen = dict.fromkeys(min(done, key=lambda one: abs(one - share)) for share in shares) if done else {}
        return [(share, done[share]) for share in chosen]
