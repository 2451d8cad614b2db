"""The health of whatever training this process runs, for a script that is run as it is and for a loop of one's own."""

from hasten.base.errors import BadInput
from hasten.base.records.health import Health
from hasten.diagnosis.attention.collector import AttentionCollector
from hasten.diagnosis.data.collector import DataCollector
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.diagnosis.wiring.collector import WiringCollectors


class HealthWatch(TrainingWatch):
    """Collects what the rules of all tiers judge.

    Args:
        name: of the training.
        steps: end the script after so many steps; None to let it end by itself.
        command: that checks it again.
    """

    def __init__(self, *, name: str, steps: int | None = None, command: str = "") -> None:
        self._wiring, self._data, self._dynamics = WiringCollectors(), DataCollector(), DynamicsCollector()
        self._attention = AttentionCollector()
        super().__init__((*self._wiring.all(), self._data, self._dynamics, self._attention), steps=steps)
        self._name, self._command = name, command

    def seen(self) -> Health:
        """Return what was seen.

        Raises:
            BadInput: if no update was made by an optimizer of torch.
        """
        self.catch_up()
        if not self.steps:
            raise BadInput(
                "no training step was seen. The training must run in this process, with optimizers of torch."
            )
        return Health(
            name=self._name,
            steps=self.steps,
            complete=self.complete,
            command=self._command,
            wiring=self._wiring.wiring(self.failed),
            data=self._data.facts(),
            dynamics=self._dynamics.dynamics(),
            attention=self._attention.facts(),
            failed=self.failed,
        )
