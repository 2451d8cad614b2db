"""What watches the training of a script from inside its process."""

from typing import Protocol

from hasten.base.records.record import Record


class StopScript(SystemExit):
    """Ends a script after enough steps as `sys.exit(0)` would: its `finally` blocks and context managers run."""


class Watch(Protocol):
    """Puts its hooks on torch when it is entered, and removes them when it is left; changes nothing computed."""

    def __enter__(self) -> object:
        """Begin to watch."""
        ...

    def __exit__(self, *error: object) -> None:
        """End watching."""
        ...

    def seen(self) -> Record:
        """Return what was seen.

        Raises:
            BadInput: if that was too little; the message says what the script must do.
        """
        ...
