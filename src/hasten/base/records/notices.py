"""What is reported on the way and is no measurement."""

from hasten.base.records.record import Record


class Activity(Record, frozen=True):
    """Something that takes a while begins: "measuring the machine", "trying bf16 beside channels_last"."""

    text: str


class Note(Record, frozen=True):
    """Something that a person should know about a run: what was found damaged, what differs from before."""

    text: str
