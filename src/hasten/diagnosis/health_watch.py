"""The health of whatever training this process runs, for a script that is run as it is and for a loop of one's own."""

from hasten.base.errors import BadInput
from hasten.base.records.health import Health
from hasten.diagnosis.attention.collector import AttentionCollector
from hasten.diagnosis.data.collector import DataCollector
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.dynamics.histograms import Histograms
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.diagnosis.wiring.collector import WiringCollectors


class HealthWatch(TrainingWatch):
    """Collects what the rules of all tiers judge.

    Args:
        name: of the training.
        steps: end the script after so many steps; None to let it end by itself.
        command: that checks it again.
        cheap: look at the wiring without calling copies of the model, and at the dynamics, but neither at the data nor
            at attention.
        histograms: keep histograms of parameters and gradients, which no rule needs.
    """

    def __init__(
        self,
        *,
        name: str,
        steps: int | None = None,
        command: str = "",
        cheap: bool = False,
        histograms: bool = False,
    ) -> None:
        self._wiring, self._dynamics = WiringCollectors(probes=not cheap), DynamicsCollector()
        self._data, self._attention = DataCollector(), AttentionCollector()
        collectors = (*self._wiring.all(), self._data, self._dynamics, self._attention)
        self._histograms = Histograms()
        seeing = (self._histograms,) if histograms else ()
        super().__init__((*self._wiring.all(), self._dynamics) if cheap else (*collectors, *seeing), steps=steps)
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
        return Health(
            name=self._name,
            steps=self.steps if self.updated else 0,
            complete=self.complete,
            command=self._command,
            wiring=self._wiring.wiring(self.failed),
            data=self._data.facts(),
            dynamics=self._dynamics.dynamics(),
            attention=self._attention.facts(),
            histograms=self._histograms.histograms(),
            failed=self.failed,
        )
