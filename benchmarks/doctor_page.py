"""Screens of the page of a diagnosis: a network too deep for its activations, diagnosed with its remedies tried.

    python -m benchmarks.doctor_page docs/doctor

writes page.png (a wide screen) and phone.png (a narrow one, dark), taken by a headless Chromium. Takes minutes: the
program is trained about ten times.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.screens import screen
from hasten.base.errors import BadInput
from hasten.pipeline.diagnosing import health_of_script, judged
from hasten.pipeline.fixing import fixed, of_script
from hasten.report.health_page import write_health_page

PROGRAM = '''"""Ten layers of sigmoids."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
inputs = torch.randn(2000, 20)
classes = (inputs @ torch.randn(20, 5)).argmax(1)
sizes = [20] + [48] * 9
layers = []
for before, after in zip(sizes, sizes[1:]):
    layers += [nn.Linear(before, after), nn.Sigmoid()]
model = nn.Sequential(*layers, nn.Linear(48, 5))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
train = DataLoader(TensorDataset(inputs[:1500], classes[:1500]), batch_size=32, shuffle=True)
valid = DataLoader(TensorDataset(inputs[1500:], classes[1500:]), batch_size=100)
criterion = nn.CrossEntropyLoss()
for epoch in range(4):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        for x, y in valid:
            criterion(model(x), y)
'''


def page(path: Path, script: Path) -> None:
    """Diagnose the program, try the remedies, and write the page."""
    script.write_text(PROGRAM)
    health = health_of_script(script).seen
    if health is None:
        raise BadInput("the program made no step.")
    found = fixed(of_script(script, [], steps=None), judged(health), show=lambda record: None)
    write_health_page(health, found, path)


def main(folder: Path) -> None:
    """Write both pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as room:
        address = Path(room) / "page.html"
        page(address, Path(room) / "train.py")
        screen(address, folder / "page.png", width=1000, dark=False)
        screen(address, folder / "phone.png", width=390, dark=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
