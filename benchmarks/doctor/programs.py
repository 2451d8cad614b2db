"""The programs of the benchmark: hosts, from two halves, and what runs them."""

import contextlib
import io
import math
import runpy
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Host:
    """A healthy program that faults are planted in.

    Args:
        name: of its file.
        family: kind of model.
        seen: whether thresholds may be fitted on it; otherwise it is held out, and only reported on.
    """

    name: str
    family: str
    seen: bool

    @property
    def source(self) -> str:
        """The program's text."""
        return (HERE / "hosts" / f"{self.name}.py").read_text()


_FAMILIES = {
    "mlp": ("mlp_digits", "mlp_spirals"),
    "cnn": ("cnn_digits", "cnn_gratings"),
    "rnn": ("rnn_signal", "rnn_forecast"),
    "transformer": ("transformer_lm", "transformer_order"),
    "tabular": ("tabular_cancer", "tabular_friedman"),
    "autoencoder": ("autoencoder_digits", "autoencoder_denoising"),
}
"""Family -> its programs: the first is seen, the second is held out."""

HOSTS = {
    name: Host(name, family, seen)
    for family, names in _FAMILIES.items()
    for name, seen in zip(names, (True, False), strict=True)
}

HARD_NEGATIVES = tuple(sorted(path.stem for path in (HERE / "healthy").glob("[a-z]*.py")))
"""Names of healthy programs that look ill to a careless rule."""


def source_of(name: str) -> str:
    """Return the text of a host or of a hard negative."""
    return HOSTS[name].source if name in HOSTS else (HERE / "healthy" / f"{name}.py").read_text()


def run_program(program: Path, seed: int) -> dict[str, Any]:
    """Run a program as a module and return its names, with its quality under `QUALITY`."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = runpy.run_path(str(program), run_name=program.stem)
        return names | {"QUALITY": float(names["main"](seed))}


def trained(program: Path, seed: int) -> float:
    """Run a program and return its quality: higher is better, minus infinity where it is not finite."""
    quality: float = run_program(program, seed)["QUALITY"]
    return quality if math.isfinite(quality) else -math.inf
