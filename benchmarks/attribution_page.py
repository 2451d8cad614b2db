"""A screen of the page of attributions: a small convolutional network on the digits, trained for three epochs.

    python -m benchmarks.attribution_page docs/attribution

writes page.png, taken by a headless Chromium. Takes half a minute.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.doctor_page import screen
from hasten import Stop, attribute, train
from hasten.tasks import digits

EPOCHS = 3


def main(folder: Path) -> None:
    """Train, explain and take the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    task = replace(digits.task(), stop=Stop(epochs=EPOCHS))
    with tempfile.TemporaryDirectory() as room:
        run = train(task, runs=Path(room)).result.folder
        assert run is not None, "a folder was asked for"
        address = Path(room) / "attribution.html"
        attribute(Path(run), task, html=address)
        screen(address, folder / "page.png", width=1000, dark=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
