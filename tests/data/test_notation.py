import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from hasten.data.tables.notation import canonical, decimal_votes, moments, numeral, swapped, value_of

FINITE = st.floats(-1e12, 1e12, allow_nan=False)


def written(value: float, mark: str, group: str, minus: str) -> str:
    text = f"{abs(value):,.4f}".replace(",", "g").replace(".", mark).replace("g", group)
    return minus + text if math.copysign(1, value) < 0 else text


@settings(deadline=None)
@given(FINITE, st.sampled_from([".", ","]), st.sampled_from(["", " ", "\u00a0", "\u202f", "'", "other"]))
def test_a_number_comes_back_from_every_notation(value, mark, group):
    group = {".": ",", ",": "."}[mark] if group == "other" else group
    for minus in ("-", "\u2212", "\u2013"):
        parts = numeral(f" {written(value, mark, group, minus)} ")
        assert value_of(parts, mark) == pytest.approx(round(value, 4), abs=1e-9)
        assert decimal_votes([parts.digits])[mark] == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1,234.5)", -1234.5),
        ("$1,200.50", 1200.5),
        ("-$5", -5),
        ("5 \u20ac", 5),
        ("45 %", 45),
        ("3-", -3),
        ("12,34,567", 1234567),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("5.", 5),
        ("1e400", math.inf),
    ],
)
def test_signs_units_and_groups_are_read(text, value):
    assert value_of(numeral(text), ".") == value


@pytest.mark.parametrize(
    "text",
    ["", "a", "1,2,3.", "1,23", "0x10", "192.168.1.1", "555-1234", "--3", "-(3)", "$5%", "1 23", "1.2.3", "5 kg"],
)
def test_what_is_no_number_is_none(text):
    parts = numeral(text)
    assert parts is None or value_of(parts, ".") is None


def test_a_mark_may_separate_thousands_until_something_decides():
    assert decimal_votes(["1,234", "5,678"]) == {".": 0, ",": 0}
    assert decimal_votes(["1,234", "0,678"]) == {".": 0, ",": 1}
    assert decimal_votes(["1,234", "1234"])[","] == 1
    assert decimal_votes(["1,234", "950"])["."] == 1
    assert decimal_votes(["1.234", "950"])[","] == 1
    assert decimal_votes(["1,234,567"])["."] == 1


@given(st.integers(-(10**30), 10**30), st.sampled_from(["", ".", ".0", ".00"]))
def test_spellings_of_a_whole_number_are_one(number, tail):
    assert canonical(f"{number}{tail}") == str(number)
    assert canonical(f"+{abs(number)}") == str(abs(number))


@pytest.mark.parametrize("text", ["01", "1.5", "1.10", "a", "", "1e3"])
def test_other_text_stays(text):
    assert canonical(text) == text


@settings(deadline=None, max_examples=15)
@given(st.lists(st.datetimes(min_value=datetime(1001, 1, 1)), min_size=1, max_size=5))
def test_iso_moments_are_read_to_the_microsecond(found):
    days = [(one - datetime(1970, 1, 1)).total_seconds() / 86_400 for one in found]
    texts = [text for one in found for text in (one.isoformat(), f"{one.isoformat(' ')}Z", f"{one.isoformat()}+00:00")]
    assert moments(texts).days.tolist() == np.repeat(days, 3).tolist()
    east = moments([f"{one.isoformat()}+02:00" for one in found]).days
    np.testing.assert_allclose(east, np.array(days) - 2 / 24, atol=1e-9)


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["2024-01-01", "2024-01-01T12:00Z", "2024-01-01 14:00+02:00"], [19723, 19723.5, 19723.5]),
        (["31.12.2023", "01.01.2024 12:00"], [19722, 19723.5]),
        (["12/31/2023", "1/1/2024 12:00 PM"], [19722, 19723.5]),
        (["31/12/2023", "1/1/2024"], [19722, 19723]),
        (["Jan 1, 2024"], [19723]),
        (["1 Jan 2024"], [19723]),
        (["01/01/24"], [19723]),
        (["2024-01"], [19723]),
        (["06:00", "18:30:00"], [0.25, 0.7708333333]),
    ],
)
def test_common_dates_and_times_are_days(texts, days):
    np.testing.assert_allclose(moments(texts).days, days)


@pytest.mark.parametrize("texts", [["a1", "b2"], ["x"], ["555-1234"], ["1.10", "1.2"], ["2024-02-31"], ["25:00"]])
def test_what_is_no_moment_is_none(texts):
    assert moments(texts) is None


def test_the_order_of_day_and_month_can_be_exchanged():
    assert (swapped("%m/%d/%Y"), swapped("%Y/%m/%d"), swapped("%d %b %Y")) == ("%d/%m/%Y", None, None)
