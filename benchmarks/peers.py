"""Which of the packages that hasten is measured beside import here."""

import importlib


def unavailable(module: str) -> str | None:
    """Return why a module does not import, or None where it does."""
    try:
        importlib.import_module(module)
    except (ImportError, RuntimeError) as failure:  # a torchvision without its operators raises RuntimeError
        return f"{type(failure).__name__}: {failure}"
    return None
