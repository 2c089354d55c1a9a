from __future__ import annotations

import numpy as np
import pytest

from qa_emoji.cosine import unit_rows
from qa_emoji.generation import COVERAGE, CYCLE, NOVELTY, Illustrator, shows_something


def test_indexed_pictures_keep_the_rule(ranker):
    drawn = [a for a in ranker.index.answers if a.source == "generated"]
    assert len(drawn) >= 256
    latents = np.stack([a.latent for a in drawn])
    pictures = ranker.vae.draw(latents)
    looks = unit_rows(ranker.vae.encode(pictures, steps=0)[0])
    assert ((looks * unit_rows(latents)).sum(1) >= CYCLE - 1e-4).all()
    assert ranker.vae.recognised(pictures).all()
    assert ((pictures[:, 3] > 0.75).mean((1, 2)) >= COVERAGE).all()
    real = unit_rows(np.stack([a.latent for a in ranker.index.answers if a.emoji]))
    assert (looks @ real.T).max() <= NOVELTY + 1e-4
    assert np.triu(looks @ looks.T, 1).max() <= NOVELTY + 1e-4


def test_pictures_are_found_by_what_their_neighbours_are_found_by(ranker):
    real = [a for a in ranker.index.answers if a.emoji]
    illustrator = Illustrator(ranker.vae, real, ranker.index.codes([a.id for a in real]))
    looks = unit_rows(np.stack([a.latent for a in real[:50]]))
    read = illustrator.read(looks)
    np.testing.assert_allclose(np.linalg.norm(read, axis=1), 1, rtol=1e-5)
    own = (read * ranker.index.codes([a.id for a in real[:50]])).sum(1)
    assert np.median(own) > 0.7


def test_a_question_is_drawn_for_from_its_answers(ranker):
    real = [a for a in ranker.index.answers if a.emoji]
    codes = ranker.index.codes([a.id for a in real])
    illustrator = Illustrator(ranker.vae, real, codes)
    latents = illustrator.toward(codes[7], 400, np.random.default_rng(0))
    own = unit_rows(real[7].latent[None])[0]
    cosines = unit_rows(latents) @ own
    assert cosines.mean() > 0.5
    assert cosines.std() > 0.02
    assert illustrator.direction(codes[7]) @ own > 0.5


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
        Illustrator(exported_vae, [], np.zeros((0, 16)))


def test_an_illustrator_that_can_draw_nothing_gives_up(ranker):
    class Blank:
        def draw(self, codes):
            return np.zeros((len(codes), 4, 36, 36), dtype=np.float32)

        def recognised(self, images):
            return np.ones(len(images), dtype=bool)

        def encode(self, images, *, steps):
            return ranker.vae.encode(images, steps=steps)

    few = [a for a in ranker.index.answers if a.emoji][:20]
    illustrator = Illustrator(Blank(), few, ranker.index.codes([a.id for a in few]))
    assert illustrator.fresh(np.eye(16, dtype=np.float32)[0], 3, np.random.default_rng(0)) == []
