from __future__ import annotations

import numpy as np
import pytest

from qa_emoji.catalog import Emoji
from qa_emoji.meaning import KEYWORDS, OWN, SUBGROUP, affinity, meaning_of

CAT = Emoji("🐱", "cat face", ("pet", "meow"), "animals", "mammal", 1.0)
DOG = Emoji("🐶", "dog face", ("pet", "bark"), "animals", "mammal", 1.0)
TREE = Emoji("🌲", "tree", ("bark",), "animals", "plant", 1.0)
MOON = Emoji("🌙", "moon", (), "travel", "sky", 1.0)


def test_what_belongs_together():
    shares = affinity([CAT, DOG, TREE, MOON])
    assert np.diag(shares).tolist() == pytest.approx([OWN] * 4)
    assert shares[0].tolist() == pytest.approx([OWN, SUBGROUP + KEYWORDS, 0, 0])
    assert shares[3].tolist() == pytest.approx([0, 0, 0, OWN])
    assert shares[1, 0] + shares[1, 2] == pytest.approx(SUBGROUP + KEYWORDS)
    assert shares[1, 0] > shares[1, 2] > 0


def test_variants_and_styles_show_the_same():
    wave = Emoji("👋", "waving hand", (), "people", "hand", 1.0)
    dark = Emoji("👋🏿", "waving hand: dark skin tone", (), "people", "hand", 1.0, base="👋")
    meaning = meaning_of([wave, CAT, dark, CAT])
    assert meaning.concepts.tolist() == [0, 1, 0, 1]
    assert meaning.affinity.shape == (2, 2)
