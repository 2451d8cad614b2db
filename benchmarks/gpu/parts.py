"""What the parts of the GPU script share: their options, and how a result is written."""

import argparse
import platform
from pathlib import Path
from typing import Any

import msgspec
import torch


def options(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every part has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, required=True, help="where to write the result")
    parser.add_argument("--smoke", action="store_true", help="small, on whatever device there is")
    return parser


def device() -> str:
    """Return the device that the parts run on."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def wait() -> None:
    """Wait until the device has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a result with the device and the versions it was measured with."""
    about = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode({**about, **content}), indent=1) + b"\n")
