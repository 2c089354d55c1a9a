from __future__ import annotations

import numpy as np
import pytest

from qa_emoji.cosine import unit_rows


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_rows_of_any_size_get_length_one(rng, scale):
    rows = rng.normal(size=(5, 16)) * scale
    np.testing.assert_allclose(np.linalg.norm(unit_rows(rows), axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(unit_rows(rows), rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-5)


def test_zeros_stay_zeros():
    assert not unit_rows(np.zeros((2, 16))).any()
    assert unit_rows(np.zeros((0, 16))).shape == (0, 16)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e60])
def test_what_is_not_finite_is_refused(bad):
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="finite"):
        unit_rows(np.array([[bad, 1.0]]))
