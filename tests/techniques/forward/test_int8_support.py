"""Whether `torch._int_mm` is exact here, and what is said where int8 cannot help."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.techniques.forward.int8 import support

size = st.integers(support.SMALLEST_SIZE, 130)


@pytest.fixture
def _asked_anew() -> Iterator[None]:
    support.unsupported.cache_clear()
    yield
    support.unsupported.cache_clear()


@settings(max_examples=15, deadline=None)
@given(M=size, K=size, N=size)
def test_the_three_products_are_exact_for_any_size(M: int, K: int, N: int) -> None:
    assert support.multiplies_exactly(M, K, N)


def test_the_largest_codes_do_not_saturate() -> None:
    most = torch.full((64, 4096), 127, dtype=torch.int8)
    sums = torch._int_mm(most, -most.t())
    assert (sums == -4096 * 127**2).all()


def test_a_product_may_be_written_into_given_memory_through_views() -> None:
    codes = torch.randint(-127, 128, (70, 96), dtype=torch.int8)
    out = torch.empty(96, 96, dtype=torch.int32)
    torch._int_mm(codes[3:70].t(), codes[3:70], out=out)
    assert torch.equal(out.long(), codes[3:70].long().t() @ codes[3:70].long())


@pytest.mark.usefixtures("_asked_anew")
def test_a_processor_without_vnni_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(torch.cpu._is_vnni_supported(), bool)  # the private function is there
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    assert "no AVX512-VNNI" in (support.unsupported() or "")


@pytest.mark.usefixtures("_asked_anew")
def test_wrong_products_are_named_with_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    real = torch._int_mm
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: real(a, b) + (a.shape[0] == 33))
    assert "wrongly on this processor (sizes 33x65x47)" in (support.unsupported() or "")


@pytest.mark.usefixtures("_asked_anew")
def test_a_processor_with_vnni_that_multiplies_exactly_is_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    assert support.unsupported() is None
