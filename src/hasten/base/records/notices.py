"""What is told on the way and is no measurement: what is being done now, and what was written where."""

from hasten.base.records.record import Record


class Activity(Record, frozen=True):
    """Something that takes a while begins: "measuring the machine", "trying bf16 beside channels_last"."""

    text: str


class Saved(Record, frozen=True):
    """A file or folder that a person may want to open was written."""

    what: str  # as a noun: "report", "plan", "checkpoint"
    path: str
