"""Pictures of a page, taken by a headless Chromium."""

import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from benchmarks.browser import BROWSERS, FLAGS, browser_here
from hasten.base.errors import BadInput

TALL = 9000
_COLORS = 256


def screen(address: Path, picture: Path, *, width: int, dark: bool, tall: int = TALL) -> None:
    """Take a picture of a page, as far as `tall` pixels; a phone is a frame, since no window is so narrow."""
    browser = browser_here()
    if browser is None:
        raise BadInput(f"no browser found: {', '.join(BROWSERS)}. Install chromium.")
    with tempfile.TemporaryDirectory() as profile:
        frame = address.with_name("frame.html")
        style = f"border:0;width:{width}px;height:{tall}px"
        frame.write_text(f'<body style="margin:0"><iframe src="{address.name}" style="{style}"></iframe>')
        options = ["--blink-settings=preferredColorScheme=0"] if dark else []
        window = f"--window-size={max(width, 500)},{tall}"
        command = [browser, *FLAGS, *options, f"--user-data-dir={profile}", window, f"--screenshot={picture}"]
        subprocess.run([*command, frame.resolve().as_uri()], check=True, capture_output=True)
    taken = Image.open(picture).convert("RGB").crop((0, 0, width, tall))
    paper = Image.new("RGB", taken.size, taken.getpixel((2, tall - 2)))
    _, _, _, bottom = ImageChops.difference(taken, paper).getbbox() or (0, 0, 0, tall)
    taken.crop((0, 0, width, min(tall, bottom + 16))).quantize(_COLORS, Image.Quantize.FASTOCTREE).save(
        picture, optimize=True
    )
