"""Numbers, dates and times in the notations that pyarrow does not parse."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hasten.data.sources.optional import arrow

DecimalMark = Literal[".", ","]

_MINUS = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"))
_CURRENCY = "$£¥€₹₽₩₺₪฿₫₴₦"
_SPACES = " \u00a0\u2009\u202f'\u2019_"  # separate groups of digits, never decimals
_WRITTEN = re.compile(
    rf"(?P<open>\()?\s*(?P<before>[{_CURRENCY}])?\s*(?P<sign>[+-])?\s*(?P<between>[{_CURRENCY}])?\s*"
    rf"(?P<digits>\d(?:[\d.,{_SPACES}]*[\d.,])?|[.,]\d+)(?P<exponent>[eE][+-]?\d+)?"
    rf"\s*(?P<after>[%‰{_CURRENCY}])?\s*(?P<close>\))?(?P<minus>-)?"
)
_GROUPED: dict[DecimalMark, re.Pattern[str]] = {
    ",": re.compile(rf"\d*|\d{{1,3}}(?:[.{_SPACES}]\d{{3}})+"),
    ".": re.compile(rf"\d*|\d{{1,3}}(?:[,{_SPACES}]\d{{2,3}})*[,{_SPACES}]\d{{3}}"),  # also 12,34,567, as in India
}
_WHOLE = re.compile(r"([+-]?)(0|[1-9]\d*)(?:\.0*)?")

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?\s?(Z|[+-]\d{2}(:?\d{2})?)?)?")
_ISO_MONTH = re.compile(r"\d{4}-\d{2}")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_DATES = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y"),
    *("%b %d, %Y", "%b %d %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_LIKELY = re.compile(r"\d[-/.:]\d|\d.?[a-zA-Z]{3}|[a-zA-Z]{3}.?\d")
_SAMPLE = 100
_EARLIEST = 1000  # "%Y" also accepts two digits


class Numeral(NamedTuple):
    """A number as it is written: its digits with their separators, and what stands around them."""

    digits: str
    negative: bool
    exponent: str
    unit: str


def numeral(text: str) -> Numeral | None:
    """Return the parts of a number with separators, a sign of any script, a currency or a percent sign, or None.

    A number in parentheses or with a minus behind it is negative, as in accounting.
    """
    found = _WRITTEN.fullmatch(text.translate(_MINUS).strip())
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    units = {unit for unit in (found["before"], found["between"], found["after"]) if unit}
    signs = [found["sign"] == "-", bool(found["open"]), bool(found["minus"])]
    if len(units) > 1 or sum(signs) > 1:
        return None
    return Numeral(found["digits"], any(signs), found["exponent"] or "", units.pop() if units else "")


def decimal_votes(digits: Iterable[str]) -> dict[DecimalMark, int]:
    """Return how many numbers can only be read with a decimal point, and how many only with a decimal comma.

    "1,234" and "1.234" count for neither: the mark may separate thousands. Where nothing else decides, it does if the
    numbers without a mark are all below 1000, and separates decimals if one of them is not.
    """
    digits = list(digits)
    votes: dict[DecimalMark, int] = {".": 0, ",": 0}
    for one in digits:
        commas, points = one.count(","), one.count(".")
        if commas and points:
            votes["," if one.rfind(",") > one.rfind(".") else "."] += 1
        elif commas > 1 or points > 1:  # a decimal mark occurs once
            votes["." if commas else ","] += 1
        elif commas or points:
            head, _, tail = one.partition("," if commas else ".")
            if len(tail) != 3 or not 1 <= len(head.lstrip("0")) <= 3:
                votes["," if commas else "."] += 1
    plain = [one for one in digits if "," not in one and "." not in one]
    marks = {mark for one in digits for mark in one if mark in ",."}
    if votes["."] == votes[","] and plain and len(marks) == 1:
        thousands = all(len(one) <= 3 for one in plain)
        votes["." if ("," in marks) == thousands else ","] += 1
    return votes


def value_of(written: Numeral, mark: DecimalMark) -> float | None:
    """Return the value of a number, or None if its separators do not fit this decimal mark."""
    whole, _, fraction = written.digits.partition(mark)
    if not _GROUPED[mark].fullmatch(whole) or not re.fullmatch(r"\d*", fraction) or not (whole or fraction):
        return None
    size = float(re.sub(r"\D", "", whole) + "." + fraction + written.exponent)
    return -size if written.negative else size


def canonical(text: str) -> str:
    """Return one spelling of a whole number ("1.0", "+1" and "1" are one class); other text as it is."""
    found = _WHOLE.fullmatch(text.translate(_MINUS))
    if found is None:
        return text
    return f"-{found[2]}" if found[1] == "-" and found[2] != "0" else found[2]


class Moments(NamedTuple):
    """Dates or times as numbers: (n,) days, NaN where the text is none; `form` is how they are written."""

    days: NDArray[np.float64]
    form: str


def moments(texts: Sequence[str]) -> Moments | None:
    """Return dates as days since 1970-01-01 UTC, times of day as fractions of a day, or None if there are none.

    ISO 8601 with or without time and zone (UTC where there is none), the common orders of day, month and year, and
    times of day; of several forms that fit, the one that fits most texts, and month before day where both fit all.
    """
    sample = texts[:_SAMPLE]
    if not any(map(_LIKELY.search, sample)):
        return None
    likely = [form for form in _FORMS if np.isfinite(read_moments(sample, form)).any()]
    candidates = [Moments(read_moments(texts, form), form) for form in likely]
    return max(candidates, key=lambda one: np.isfinite(one.days).sum(), default=None)


def swapped(form: str) -> str | None:
    """Return the form with day and month exchanged, or None if the month has a name or the year stands first."""
    first, between, second = form[:2], form[2:3], form[3:5]
    return f"{second}{between}{first}{form[5:]}" if {first, second} == {"%d", "%m"} else None


def read_moments(texts: Sequence[str], form: str) -> NDArray[np.float64]:
    """Return dates or times that are written in one form as days, NaN where they are not."""
    if form in _PARSERS:
        return np.array([_PARSERS[form](text) for text in texts])
    compute, array = arrow("compute"), arrow().array(texts, "string")
    read = [compute.strptime(array, format=form + clock, unit="s", error_is_null=True) for clock in _TIMES]
    found = compute.coalesce(*read)  # at most one has read a text, for each reads all of it
    found = compute.if_else(compute.greater_equal(compute.year(found), _EARLIEST), found, None)
    return compute.cast(compute.cast(found, "int64"), "float64").to_numpy(zero_copy_only=False) / _DAY_S


def fits_all(texts: Sequence[str], form: str) -> bool:
    """Return whether every text is a date in this form."""
    return bool(np.isfinite(read_moments(texts, form)).all())


def _iso(text: str) -> float:
    if _ISO_MONTH.fullmatch(text):
        text += "-01"
    elif not _ISO.fullmatch(text):
        return np.nan
    try:
        moment = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
    except ValueError:  # there is no such day or time: 2024-02-31
        return np.nan
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds() / _DAY_S


def _clock(text: str) -> float:
    if not _CLOCK.fullmatch(text):
        return np.nan
    try:
        moment = time.fromisoformat(text if text[1] != ":" else f"0{text}")
    except ValueError:
        return np.nan
    return (moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6) / _DAY_S


_PARSERS = {"ISO 8601": _iso, "time of day": _clock}
_FORMS = (*_PARSERS, *_DATES)
