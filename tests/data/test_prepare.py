import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.split import held_out
from hasten.data.tables.preprocess import feature_names, fit, restore_target, state, transform
from hasten.data.tables.table import Table, TableOptions, read_table, rename_classes


@pytest.fixture
def read(tmp_path):
    def read_it(text, name="file.csv", **options):
        path = tmp_path / name
        path.write_text(text)
        return read_table(path, -1, TableOptions(**options))

    return read_it


ROWS = "size,color,y\n1,red,a\n3,blue,b\n?,red,a\n100,?,b\n"


def test_statistics_come_from_the_training_rows_alone(read):
    table = read(ROWS)
    learned = state(fit(table, np.array([0, 1, 2])))
    assert (learned["medians"], learned["means"]) == ([2], [2])
    assert learned["stds"] == pytest.approx([np.std([1, 3, 2])])
    assert learned["features"] == ("size", "size missing", "color_blue", "color_red")
    assert json.loads(json.dumps(learned))["medians"] == [2], "it can be saved as JSON"


def test_the_matrix_is_what_its_names_say(read):
    table = read(ROWS)
    preprocessing = fit(table, np.arange(4))
    assert feature_names(preprocessing) == ("size", "size missing", "color_blue", "color_red", "color_None")
    prepared = transform(preprocessing, table)
    values = np.array([1, 3, 3, 100])  # the median of 1, 3, 100 in place of the missing one
    np.testing.assert_allclose(prepared.features[:, 0], (values - values.mean()) / values.std(), rtol=1e-6)
    assert prepared.features[:, 1:].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    assert (prepared.target.tolist(), prepared.unknown) == ([0, 1, 0, 1], {})


def test_a_category_unknown_in_training_is_counted(read):
    train, test = read(ROWS), read("size,color,y\n1,red,a\n2,green,b\n3,pink,a\n", "other.csv")
    prepared = transform(fit(train, np.arange(4)), test)
    assert prepared.unknown == {"color": 2}
    assert prepared.features[:, 2:].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_a_missing_category_that_training_never_lacked_is_unknown(read):
    table = read(ROWS)
    assert transform(fit(table, np.array([0, 1, 2])), table).unknown == {"color": 1}


def test_rare_categories_share_a_column(read):
    table = read("c,y\n" + "".join(f"{name},0\n" for name in "aaabbcde"), target_kind="classes")
    preprocessing = fit(table, np.arange(8), max_values=2)
    assert feature_names(preprocessing) == ("c_a", "c_b", "c_infrequent_sklearn")
    prepared = transform(preprocessing, table)
    assert prepared.unknown == {"c": 3}
    assert prepared.features.sum(1).tolist() == [1] * 8


def test_a_regression_target_is_standardized_and_comes_back(read):
    table = read("x,y\n1,10.5\n2,20.5\n3,90.5\n")
    preprocessing = fit(table, np.array([0, 1]))
    prepared = transform(preprocessing, table)
    assert prepared.target.tolist() == [-1, 1, 15]
    assert restore_target(preprocessing, prepared.target).tolist() == [10.5, 20.5, 90.5]


def test_a_class_unknown_in_training_is_named(read):
    train, test = read("x,y\n1,a\n2,b\n"), read("x,y\n1,a\n2,b.\n", "test.csv")
    preprocessing = fit(train, np.arange(2))
    with pytest.raises(BadInput, match=r"test.csv, row 2, target 'y': .*of training \('a', 'b'\); found 'b\.', and 1"):
        transform(preprocessing, test)
    assert transform(preprocessing, rename_classes(test, {"b.": "b"})).target.tolist() == [0, 1]


def test_a_lacking_column_is_named(read):
    preprocessing = fit(read(ROWS), np.arange(4))
    with pytest.raises(BadInput, match=r"must have the column 'size'.*; found weight"):
        transform(preprocessing, read("weight,color,y\n1,red,a\n", "other.csv"))


def test_a_column_without_a_value_in_the_training_rows_is_constant(read):
    features = transform(fit(read(ROWS), np.array([2])), read(ROWS)).features
    assert np.isfinite(features).all()
    with pytest.raises(BadInput, match="at least one training row"):
        fit(read(ROWS), np.array([], np.int64))


def table_of(values):
    return Table(
        source=Path("memory"),
        numbers=values[:, None],
        number_names=("x",),
        codes=np.empty((len(values), 0), np.int32),
        code_names=(),
        categories=(),
        target=np.zeros(len(values)),
        target_name="y",
        classes=(),
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.just(float("nan")), st.integers(-1000, 1000)), min_size=1, max_size=30),
    st.sampled_from([0, 1.7e9, -3e12]),
)
def test_prepared_numbers_have_mean_0_and_deviation_1_wherever_they_lie(column, offset):
    values = np.array(column, np.float64)
    if np.isnan(values).all():
        return
    near = transform(fit(table_of(values), np.arange(len(values))), table_of(values)).features
    table = table_of(values + offset)
    far = transform(fit(table, np.arange(len(values))), table).features
    assert np.isfinite(far).all()
    np.testing.assert_allclose(far, near, atol=2e-3)
    assert abs(far[:, 0].astype(np.float64).mean()) < 1e-3
    assert far[:, 0].std() == pytest.approx(1, abs=1e-2) or far[:, 0].std() == 0


def test_housing_is_prepared(shared_data):
    table = read_table(shared_data / "california_housing" / "housing.csv.gz", "median_house_value")
    train, _ = held_out(len(table), 0.2, seed=0)
    prepared = transform(fit(table, train), table)
    assert prepared.features.shape in ((20640, 13), (20640, 14)), "ISLAND is in 5 rows, so training may lack it"
    assert np.isfinite(prepared.features).all()
    assert int(prepared.features[:, 8].sum()) == 207
    assert abs(prepared.target[train].mean()) < 1e-4
