"""What the first steps show of the wiring: parameters, the order of the calls, modes."""

from collections.abc import Container

from hasten.base.records.wiring import Wiring
from hasten.diagnosis.watching.events import Collector
from hasten.diagnosis.wiring.criteria import CriterionCollector
from hasten.diagnosis.wiring.critic import CriticCollector
from hasten.diagnosis.wiring.loaded import LoadedCollector
from hasten.diagnosis.wiring.loading import LoadingCollector
from hasten.diagnosis.wiring.modes import ModeCollector
from hasten.diagnosis.wiring.order import OrderCollector
from hasten.diagnosis.wiring.parameters import ParameterCollector
from hasten.diagnosis.wiring.policy import PolicyCollector
from hasten.diagnosis.wiring.probes import ProbeCollector
from hasten.diagnosis.wiring.replicas import ReplicaCollector
from hasten.diagnosis.wiring.stopping import StopCollector
from hasten.diagnosis.wiring.structure import StructureCollector
from hasten.diagnosis.wiring.twins import TwinCollector
from hasten.diagnosis.wiring.vain_freeze import vain_freeze


class WiringCollectors:
    """The collectors of the tier, each of a part of the record, so that one that fails leaves the others alone."""

    def __init__(self, *, probes: bool = True) -> None:
        self._probing = probes
        self._parameters = ParameterCollector()
        self._order = OrderCollector(self._parameters)
        self._modes = ModeCollector(self._parameters)
        self._criteria = CriterionCollector(self._parameters)
        self._probes = ProbeCollector(self._parameters)
        self._loading = LoadingCollector()
        self._replicas = ReplicaCollector()
        self._structure = StructureCollector()
        self._policy = PolicyCollector()
        self._critic = CriticCollector()
        self._twins = TwinCollector()
        self._loaded, self._stopping = LoadedCollector(), StopCollector()

    def all(self) -> tuple[Collector, ...]:
        """Return the collectors in the order in which they are told."""
        probes = (self._probes,) if self._probing else ()
        first = self._parameters, self._order, self._modes, self._criteria, self._structure, self._policy, self._critic
        return *first, *probes, self._loading, self._replicas, self._twins, self._loaded, self._stopping

    def wiring(self, failed: Container[str] = ()) -> Wiring | None:
        """Return what was seen; None where there was no backward pass and no update.

        Args:
            failed: classes of the collectors that failed.
        """
        parameters, order = self._parameters, self._order
        if not parameters.updates and not parameters.backwards:
            return None
        ordered = type(order).__name__ not in failed
        reads = type(parameters).__name__ not in failed
        return Wiring(
            updates=parameters.updates,
            backwards=parameters.backwards,
            looked=parameters.looked,
            by_hand=parameters.by_hand,
            leaves=parameters.leaves() if reads else None,
            models=self._modes.models() if type(self._modes).__name__ not in failed else None,
            optimizers=order.optimizers() if ordered else None,
            lost_states=order.lost_states() if ordered else 0,
            alternations=order.alternations,
            accumulations=order.accumulations() if ordered else (),
            clipping=order.clipping() if ordered else None,
            schedules=order.schedules() if ordered else (),
            criteria=self._criteria.criteria(),
            structure=self._structure.structure(),
            policy=self._policy.policy(),
            critic=self._critic.critic(),
            twins=self._twins.twins(),
            loadings=tuple(self._loaded.loadings),
            resumed=self._loaded.resumed,
            restarted=self._loaded.restarted,
            loaded_last=self._loaded.last,
            patience=self._stopping.patience,
            autocast=order.autocast if ordered else {},
            probes=self._probes.probes(),
            copied_generators=tuple(self._loading.copied),
            vain_freeze=vain_freeze(parameters.models),
            vain_unfreeze=vain_freeze(parameters.models, wanted=True),
            replicas=self._replicas.replicas() if type(self._replicas).__name__ not in failed else None,
        )
