"""A checkpoint that several processes write together: each its part, then the first one the rest.

The rest names the parts with their checksums. It replaces the checkpoint before in one step, and only when all parts
are on disk: a kill at any moment leaves the one or the other. Threads write; what the processes say to each other about
it, they say between two steps, since two threads that talk in one group would take each other's messages.
"""

from collections.abc import Callable

from hasten.base.errors import BadInput
from hasten.training.background import Background
from hasten.training.checkpoint_parts import Parts
from hasten.training.processes import Processes


class JointWriting:
    """Writes one checkpoint at a time; all processes make the same calls, between the same two steps.

    Args:
        processes: that train together.
        device: on which they talk.
        background: in which this process writes.
    """

    def __init__(self, processes: Processes, device: str, background: Background) -> None:
        self._processes, self._device, self._background = processes, device, background
        self._name: str | None = None  # of the parts that are being written
        self._rest: Callable[[Parts], None] | None = None

    def start(self, name: str, part: Callable[[], str], rest: Callable[[Parts], None]) -> None:
        """Begin to write a part, after what was begun before has ended.

        Args:
            name: of the parts.
            part: writes that of this process and returns its SHA-256.
            rest: writes the rest; called in the first process.
        """
        self.finish()
        self._name, self._rest = name, rest
        self._background.start(part)

    def advance(self) -> None:
        """Let the first process write the rest if all parts are on disk by now. A collective where one is under way.

        Raises:
            BadInput: in all processes, if one could not write its part.
        """
        if self._name is None:
            self._background.check()
        elif self._agreed(not self._background.busy) == self._processes.size:
            self._commit()

    def finish(self) -> None:
        """Wait until the checkpoint under way is whole: see `advance`."""
        if self._name is not None:
            self._commit()
        self._background.wait()

    def _commit(self) -> None:
        """Wait for the parts, and let the first process write the rest."""
        assert self._name is not None, "parts are being written"
        name, self._name = self._name, None
        sha256, error = "", None
        try:
            sha256 = str(self._background.wait())
        except Exception as found:  # noqa: BLE001  (raised below, when the others know)
            error = found
        failed = self._agreed(error is not None)
        if error is not None:
            raise error
        if failed:
            raise BadInput(f"no checkpoint: {failed} of {self._processes.size} processes could not write their part.")
        all_of_them = self._processes.gathered(sha256, self._device)
        if self._processes.rank == 0:
            assert self._rest is not None, "it was given with the part"
            rest, parts = self._rest, Parts(name, tuple(all_of_them))
            self._background.start(lambda: rest(parts))

    def _agreed(self, value: bool) -> int:
        """Return in how many processes something is true."""
        return round(self._processes.totals([float(value)], self._device)[0])
