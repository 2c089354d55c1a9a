from __future__ import annotations

import numpy as np
import pytest

from qa_emoji.cosine import unit_rows
from qa_emoji.generation import COVERAGE, CYCLE, NOVELTY, Illustrator, shows_something


def test_indexed_pictures_keep_the_rule(ranker):
    drawn = [a for a in ranker.index.answers if a.source == "generated"]
    assert len(drawn) >= 256
    latents = np.stack([a.latent for a in drawn])
    pictures = ranker.vae.decode(latents)
    codes = unit_rows(ranker.vae.encode(pictures)[0])
    np.testing.assert_allclose(codes, ranker.index.codes([a.id for a in drawn]), atol=1e-5)
    assert ((codes * unit_rows(latents)).sum(1) >= CYCLE - 1e-5).all()
    assert ((pictures[:, 3] > 0.75).mean((1, 2)) >= COVERAGE).all()
    real = unit_rows(np.stack([a.latent for a in ranker.index.answers if a.emoji]))
    assert (codes @ real.T).max() <= NOVELTY + 1e-5
    assert np.triu(codes @ codes.T, 1).max() <= NOVELTY + 1e-5


def test_fresh_emojis_are_near_the_question(ranker):
    code = ranker.encode(["a birthday party"])[0]
    fresh = ranker.draw(6, about="a birthday party")
    assert len(fresh) == 6
    assert [a.score for a in fresh] == pytest.approx([float(a.code @ code) for a in fresh], abs=1e-6)
    assert min(a.score for a in fresh) > 0.5
    assert all(a.name.startswith("like ") for a in fresh)


def test_anywhere_is_reproducible_and_new(ranker):
    first, second = ranker.draw(5, seed=3), ranker.draw(5, seed=3)
    assert [a.id for a in first] == [a.id for a in second]
    assert {a.id for a in first}.isdisjoint(a.id for a in ranker.draw(5, seed=4))
    assert all(a.score is None for a in first)


def test_blank_faint_and_hazy_pictures_show_nothing():
    alpha = np.zeros((4, 36, 36), dtype=np.float32)
    alpha[1, :2] = 1  # a thin line
    alpha[2] = 0.5  # haze
    alpha[3, 8:28, 8:28] = 1
    pictures = np.repeat(alpha[:, None], 4, axis=1)
    assert shows_something(pictures).tolist() == [False, False, False, True]


def test_there_must_be_something_to_differ_from(exported_vae):
    with pytest.raises(ValueError, match="there are none"):
        Illustrator(exported_vae, [])


def test_an_illustrator_that_can_draw_nothing_gives_up(ranker):
    class Blank:
        def decode(self, codes):
            return np.zeros((len(codes), 4, 36, 36), dtype=np.float32)

        def encode(self, images):
            return ranker.vae.encode(images)

    illustrator = Illustrator(Blank(), ranker.index.answers[:20])
    assert illustrator.fresh(np.eye(16, dtype=np.float32)[0], 3, np.random.default_rng(0)) == []
