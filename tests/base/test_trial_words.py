"""Verdicts of techniques: the words on screen, and those of older evidence files."""

import msgspec
import pytest

from hasten.base.records.trial import Verdict


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        ("hurts", Verdict.SLOWER),
        ("not proven", Verdict.INCONCLUSIVE),
        ("refused", Verdict.NOT_APPLICABLE),
        ("broke its guarantee", Verdict.INACCURATE),
        ("not needed beside the others", Verdict.NO_DIFFERENCE),
    ],
)
def test_verdicts_of_older_evidence_files_are_read(earlier: str, now: Verdict) -> None:
    assert msgspec.json.decode(f'"{earlier}"', type=Verdict) is now


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode('"splendid"', type=Verdict)


def test_the_words_on_screen() -> None:
    words = {verdict.value for verdict in Verdict}
    assert {"kept", "no difference", "inconclusive", "slower", "not applicable"} <= words
