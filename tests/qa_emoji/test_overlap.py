from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa_emoji.overlap import WordOverlap, words

TEXTS = ["The cat sat.", "the dog sat", "a CAT, a dog, a bird", "nothing"]


def naive(question, texts):
    asked = words(question)
    weights = {w: math.log((len(texts) + 1) / (sum(w in words(t) for t in texts) + 1)) for w in asked}
    total = sum(weights.values())
    return [sum(weights[w] for w in asked & words(t)) / total if total else 0.0 for t in texts]


@pytest.mark.parametrize("question", ["cat", "the cat sat on a mat", "a bird", "zebra", "?!", "nothing the the"])
def test_shares_by_definition(question):
    np.testing.assert_allclose(WordOverlap(TEXTS).shares(question), naive(question, TEXTS), rtol=1e-6)


def test_rare_words_count_more():
    shares = WordOverlap(TEXTS).shares("cat bird")
    assert shares[2] == 1
    assert 0 < shares[0] < 0.5
    assert shares[1] == shares[3] == 0


def test_a_word_that_every_text_has_says_nothing():
    assert WordOverlap(["so it is", "so be it"]).shares("so").tolist() == [0, 0]


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=6), st.text())
def test_any_text(texts, question):
    shares = WordOverlap(texts).shares(question)
    assert shares.shape == (len(texts),)
    assert np.all((shares >= 0) & (shares <= 1))
