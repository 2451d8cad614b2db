"""What is reported on the way and is no measurement."""

from hasten.base.records.record import Record


class Note(Record, frozen=True):
    """What a person should know: "the loss is not a mean over samples", "the newest checkpoint is damaged"."""

    text: str


class Activity(Record, frozen=True):
    """Something that takes a while begins: "measuring the machine", "trying bf16 beside channels_last"."""

    text: str
