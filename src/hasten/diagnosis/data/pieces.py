"""Whether windows of one series stand in two parts of the data: pieces of windows, told apart by fingerprints."""

from collections.abc import Sequence

from torch import Tensor

LENGTH = 6
"""Consecutive steps of a piece."""
PIECES = 60_000
"""Pieces that are kept. Neighboring windows share most of theirs, so that a part of them is enough."""
_FEWEST, _WIDEST = 8, 16  # steps of a window, and numbers of a step


class SeenPieces:
    """Keeps all pieces of the windows of a training, and compares those of evaluations with them."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self._starts: set[int] = set()
        self._windows = 0
        self._shared = self._compared = 0

    def add(self, inputs: Sequence[Tensor]) -> None:
        """Add windows (n, steps) or (n, steps, numbers). Cost: 2 us a piece."""
        windows = _windows(inputs)
        if windows is None or len(self.known) >= PIECES:
            return
        middle = (windows.shape[1] - LENGTH) // 2
        for at in range(windows.shape[1] - LENGTH + 1):
            found = _pieces(windows, at)
            self.known.update(found if at != middle else ())
            if not at:
                self._starts.update(found)
                self._windows += len(found)

    def compare(self, inputs: Sequence[Tensor], known: set[int]) -> None:
        """Count the windows of an evaluation whose middle piece is known, from another place of a window.

        Pixels of pictures are alike at the same place.
        """
        windows = _windows(inputs)
        if windows is None or not known:
            return
        found = _pieces(windows, (windows.shape[1] - LENGTH) // 2)
        self._compared += len(found)
        self._shared += sum(one in known for one in found)

    @property
    def shared(self) -> float:
        """Return the share of the windows compared whose middle piece was known."""
        return self._shared / self._compared if self._compared else 0.0

    @property
    def distinct(self) -> float:
        """Return the share of the windows that begin differently: a series that repeats itself has few."""
        return len(self._starts) / self._windows if self._windows else 0.0


def _windows(inputs: Sequence[Tensor]) -> Tensor | None:
    """Return the first input as windows in the CPU's memory; None where it is none."""
    first = next(iter(inputs), None)
    if first is None or not first.is_floating_point() or first.ndim not in (2, 3) or first.shape[1] < _FEWEST:
        return None
    if first.ndim == 3 and first.shape[2] > _WIDEST:
        return None
    return first.detach().float().cpu().reshape(len(first), first.shape[1], -1)


def _pieces(windows: Tensor, at: int) -> list[int]:
    """Return the fingerprint of the piece of each window at a place, less those in which a number comes twice."""
    piece = windows[:, at : at + LENGTH]
    ordered = piece[..., 0].sort(1).values
    differs = (ordered[:, 1:] != ordered[:, :-1]).all(1)
    return [hash(row.tobytes()) for row in piece[differs].flatten(1).numpy()]
