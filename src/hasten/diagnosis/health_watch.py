"""The health of whatever training this process runs, for a script that is run as it is and for a loop of one's own."""

from collections.abc import Collection

import msgspec

from hasten.base.errors import BadInput
from hasten.base.records.health import Health
from hasten.diagnosis.attention.collector import AttentionCollector
from hasten.diagnosis.data.collector import DataCollector
from hasten.diagnosis.data.misreads import MisreadCollector
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.dynamics.histograms import Histograms
from hasten.diagnosis.registry import Tier
from hasten.diagnosis.watching.events import Collector
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.diagnosis.wiring.collector import WiringCollectors


class HealthWatch(TrainingWatch):
    """Collects what the rules of all tiers judge.

    Args:
        name: of the training.
        steps: end the script after so many steps; None to let it end by itself.
        command: that checks it again.
        tiers: of rules that will judge it; what only rules of other tiers need is not looked at.
        probes: call copies of the model, too, to see what its outputs depend on.
        histograms: keep histograms of parameters and gradients, which no rule needs.
    """

    def __init__(
        self,
        *,
        name: str,
        steps: int | None = None,
        command: str = "",
        tiers: Collection[Tier] = tuple(Tier),
        probes: bool = True,
        histograms: bool = False,
    ) -> None:
        self._wiring, self._data, self._misreads = WiringCollectors(probes=probes), DataCollector(), MisreadCollector()
        self._dynamics, self._attention, self._histograms = DynamicsCollector(), AttentionCollector(), Histograms()
        of_tier: dict[Tier, tuple[Collector, ...]] = {
            Tier.WIRING: self._wiring.all(),
            Tier.DATA: (self._data, self._misreads),
            Tier.DYNAMICS: (self._dynamics,),
            Tier.TRANSFORMER: (self._attention,),
        }
        collectors = [one for tier, group in of_tier.items() if tier in tiers for one in group]
        super().__init__((*collectors, *((self._histograms,) if histograms else ())), steps=steps)
        self._name, self._command = name, command

    @property
    def newest_sample(self) -> int:
        """The step that the dynamics were sampled in last; 0 before the first."""
        return self._dynamics.newest_sample

    def seen(self) -> Health:
        """Return what was seen.

        Raises:
            BadInput: if neither a forward pass in training mode nor a backward pass was seen.
        """
        self.catch_up()
        if not self.steps:
            raise BadInput(
                "no training step was seen. The training must run in this process, with optimizers of torch."
            )
        data = self._data.facts()
        return Health(
            name=self._name,
            steps=self.steps if self.updated else 0,
            complete=self.complete,
            command=self._command,
            wiring=self._wiring.wiring(self.failed),
            data=None if data is None else msgspec.structs.replace(data, misreads=self._misreads.misreads()),
            dynamics=self._dynamics.dynamics(),
            attention=self._attention.facts(),
            histograms=self._histograms.histograms(),
            failed=self.failed,
        )
