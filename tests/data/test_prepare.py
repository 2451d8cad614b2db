import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.base.records.record import load, save
from hasten.data.split import by_fraction
from hasten.data.tables.preprocess import Preprocessing, feature_names, fit, restore_target, transform
from hasten.data.tables.table import read_table, rename_classes


@pytest.fixture
def read(tmp_path):
    def read_it(text, name="file.csv", **options):
        path = tmp_path / name
        path.write_text(text)
        return read_table(path, -1, **options)

    return read_it


ROWS = "size,color,y\n1,red,a\n3,blue,b\n?,red,a\n100,?,b\n"


def test_statistics_come_from_the_training_rows_alone(read):
    table = read(ROWS)
    prepared = fit(table, np.array([0, 1, 2]))
    size, color = prepared.numbers[0], prepared.categories[0]
    assert (size.median, size.mean, size.missing) == (2, 2, True)
    assert size.std == pytest.approx(np.std([1, 3, 2]))
    assert (color.values, color.missing, color.other) == (("blue", "red"), False, False)


def test_the_matrix_is_what_its_names_say(read):
    table = read(ROWS)
    preprocessing = fit(table, np.arange(4))
    assert feature_names(preprocessing) == (
        "size",
        "size missing",
        "color=blue",
        "color=red",
        "color missing",
    )
    prepared = transform(preprocessing, table)
    values = np.array([1, 3, 3, 100])  # the median of 1, 3, 100 in place of the missing one
    np.testing.assert_allclose(prepared.features[:, 0], (values - values.mean()) / values.std(), rtol=1e-6)
    assert prepared.features[:, 1:].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    assert (prepared.target.tolist(), prepared.unknown) == ([0, 1, 0, 1], {})


def test_an_unknown_category_is_named_or_counted(read):
    train, test = read(ROWS), read("size,color,y\n1,red,a\n2,green,b\n3,pink,a\n", "other.csv")
    with pytest.raises(
        BadInput, match=r"other.csv, row 2, column 'color': .*one of the 2 of .*found 'green', and 2 such"
    ):
        transform(fit(train, np.arange(4)), test)
    prepared = transform(fit(train, np.arange(4), unknown="other"), test)
    assert prepared.unknown == {"color": 2}
    assert prepared.features[:, -1].tolist() == [0, 1, 1]


def test_a_missing_category_that_training_never_lacked_is_unknown(read):
    table = read(ROWS)
    with pytest.raises(BadInput, match=r"row 4, column 'color': .*found a missing value"):
        transform(fit(table, np.array([0, 1, 2])), table)


def test_rare_categories_share_a_column(read):
    table = read("c,y\n" + "".join(f"{name},0\n" for name in "aaabbcde"), kind="class")
    preprocessing = fit(table, np.arange(8), max_values=2)
    assert feature_names(preprocessing) == ("c=a", "c=b", "c other")
    assert transform(preprocessing, table).unknown == {"c": 3}


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


def test_a_column_without_any_value_is_named(read):
    with pytest.raises(BadInput, match="column 'size': a column of numbers must have a value in some training row"):
        fit(read(ROWS), np.array([2]))
    with pytest.raises(BadInput, match="at least one training row"):
        fit(read(ROWS), np.array([], np.int64))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=30))
def test_prepared_numbers_are_finite_with_mean_0_and_deviation_1(column):
    if all(np.isnan(column)):
        return
    table = read_table_of(np.array(column, np.float32))
    features = transform(fit(table, np.arange(len(column))), table).features
    assert np.isfinite(features).all()
    assert abs(features[:, 0].astype(np.float64).mean()) < 1e-3
    assert (
        features[:, 0].std() == pytest.approx(1, abs=1e-2)
        or np.ptp(np.nan_to_num(column)) < 1
        or features[:, 0].std() == 0
    )


def read_table_of(values):
    from pathlib import Path

    from hasten.data.tables.table import Table

    return Table(
        source=Path("memory"),
        numbers=values[:, None],
        number_names=("x",),
        codes=np.empty((len(values), 0), np.int32),
        code_names=(),
        categories=(),
        target=np.zeros(len(values), np.float32),
        target_name="y",
        classes=(),
    )


def test_preprocessing_goes_to_a_file_and_back(read, tmp_path):
    preprocessing = fit(read(ROWS), np.arange(4), unknown="other")
    save(preprocessing, tmp_path / "preprocessing.json")
    assert load(Preprocessing, tmp_path / "preprocessing.json") == preprocessing
    assert isinstance(preprocessing, msgspec.Struct)


def test_housing_is_prepared(shared_data):
    table = read_table(shared_data / "california_housing" / "housing.csv.gz", "median_house_value")
    train, _ = by_fraction(len(table), (0.8, 0.2), seed=0)
    prepared = transform(fit(table, train), table)
    assert prepared.features.shape == (20640, 14)
    assert np.isfinite(prepared.features).all()
    assert int(prepared.features[:, 8].sum()) == 207
    assert abs(prepared.target[train].mean()) < 1e-4
