"""Screens of the page of a diagnosis: a network too deep for its activations, diagnosed with its remedies tried.

    python -m benchmarks.doctor_page docs/doctor

writes page.png (a wide screen) and phone.png (a narrow one, dark), taken by a headless Chromium. Takes minutes: the
program is trained about ten times.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

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
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
TALL = 6000
_COLORS = 256


def page(path: Path, script: Path) -> None:
    """Diagnose the program, try the remedies, and write the page."""
    script.write_text(PROGRAM)
    health = health_of_script(script).seen
    if health is None:
        raise BadInput("the program made no step.")
    found = fixed(of_script(script, [], steps=None), judged(health), show=lambda record: None)
    write_health_page(health, found, path)


def screen(address: Path, picture: Path, *, width: int, dark: bool) -> None:
    """Take a picture of the whole page; a phone is a frame, since no window is so narrow."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise BadInput(f"no browser found: {', '.join(BROWSERS)}. Install chromium.")
    with tempfile.TemporaryDirectory() as profile:
        frame = address.with_name("frame.html")
        style = f"border:0;width:{width}px;height:{TALL}px"
        frame.write_text(f'<body style="margin:0"><iframe src="{address.name}" style="{style}"></iframe>')
        options = ["--blink-settings=preferredColorScheme=0"] if dark else []
        window = f"--window-size={max(width, 500)},{TALL}"
        command = [browser, *FLAGS, *options, f"--user-data-dir={profile}", window, f"--screenshot={picture}"]
        subprocess.run([*command, frame.resolve().as_uri()], check=True, capture_output=True)
    taken = Image.open(picture).convert("RGB").crop((0, 0, width, TALL))
    paper = Image.new("RGB", taken.size, taken.getpixel((2, TALL - 2)))
    _, _, _, bottom = ImageChops.difference(taken, paper).getbbox() or (0, 0, 0, TALL)
    taken.crop((0, 0, width, min(TALL, bottom + 16))).quantize(_COLORS, Image.Quantize.FASTOCTREE).save(
        picture, optimize=True
    )


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
