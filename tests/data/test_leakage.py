from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.data.tables.fields import Categories, Numbers
from hasten.data.tables.leakage import leaks
from hasten.data.tables.table import assemble

random = np.random.default_rng(0)
A, B, NOISE = random.gamma(2, 100, 3000).round(), random.gamma(2, 50, 3000).round(), random.normal(size=3000)
LABEL = random.integers(0, 3, 3000)


def table_of(target, **columns):
    def column(values):
        values = np.asarray(values)
        if values.dtype.kind == "f":
            return Numbers(values)
        names, codes = np.unique(values, return_inverse=True)
        return Categories(codes.astype(np.int32), tuple(map(str, names)))

    found = {name: column(values) for name, values in columns.items()}
    return assemble(Path("t.csv"), found, target_name="y", target=column(target))


@pytest.mark.parametrize(
    ("target", "columns", "named"),
    [
        (A + B, {"a": A, "b": B, "c": NOISE}, "weighted sum of 'a' and 'b'"),
        (A - 2 * B + 7, {"a": A, "b": B, "c": NOISE}, "weighted sum of 'a' and 'b'"),
        ((A + 1) * (B + 1), {"a": A + 1, "b": B + 1, "c": NOISE}, "product of powers of 'a' and 'b'"),
        ((A + 1) / (B + 1), {"a": A + 1, "b": B + 1}, "product of powers of 'a' and 'b'"),
        (NOISE, {"c": NOISE, "a": A}, "monotone function of 'c'"),
        (np.exp(-NOISE), {"c": NOISE, "a": A}, "monotone function of 'c'"),
        (LABEL, {"copy": LABEL * 2.0, "a": A}, "threshold on 'copy' decides"),
        ((NOISE > 0).astype(int), {"c": NOISE, "a": A}, "threshold on 'c' decides"),
        (LABEL, {"word": np.array(["x", "y", "z"])[LABEL], "a": A}, "each value of 'word'"),
        (LABEL * 1.5, {"word": np.array(["x", "y", "z"])[LABEL], "a": A}, "each value of 'word'"),
    ],
)
def test_a_column_that_determines_the_target_is_named(target, columns, named):
    (sentence,) = leaks(table_of(target, **columns))
    assert named in sentence
    assert "(in a sample of 2,000 rows)" in sentence
    assert sentence.endswith(f"--drop {','.join(name for name in columns if repr(name) in sentence)}")


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        (A + B + 30 * NOISE, {"a": A, "b": B}),
        (NOISE + 0.1 * random.normal(size=3000), {"c": NOISE}),
        (LABEL, {"c": LABEL + 0.4 * NOISE}),
        (LABEL, {"word": np.array(["x", "y", "z"])[np.where(NOISE > 2, 0, LABEL)]}),
        (NOISE, {"id": np.arange(3000).astype(str)}),
        (A[:10], {"a": A[:10]}),
        (np.ones(3000), {"a": A}),
    ],
)
def test_a_good_column_is_no_leak(target, columns):
    assert leaks(table_of(target, **columns)) == ()


def test_missing_values_do_not_hide_a_copy():
    values = NOISE.copy()
    values[::7] = np.nan
    assert "monotone function of 'c'" in leaks(table_of(NOISE, c=values, a=A))[0]


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 200), st.integers(0, 2**32 - 1))
def test_chance_alone_is_no_leak(rows, seed):
    draws = np.random.default_rng(seed)
    columns = {f"x{place}": draws.normal(size=rows) for place in range(3)}
    assert leaks(table_of(draws.normal(size=rows), **columns)) == ()
    assert leaks(table_of(np.arange(rows) % 2, **columns)) == ()
