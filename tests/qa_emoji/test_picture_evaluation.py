from __future__ import annotations

import numpy as np
import pytest

from qa_emoji import picture_report, questions
from qa_emoji.catalog import Catalog
from qa_emoji.jobs import load_images
from qa_emoji.paths import catalog_file
from qa_emoji.picture_evaluation import (
    Codes,
    Pictures,
    drawing,
    fresh_answers,
    just_noticeable,
    neighbours,
    odd_images,
    reconstruction,
)


@pytest.fixture(scope="module")
def pictures(catalog):
    few = Catalog([*catalog.base_forms("known")[::20], *catalog.base_forms("unseen")[::20]])
    return Pictures.load(few, lambda emojis: load_images("twemoji", emojis))


def test_pictures_are_split_as_the_catalogue_is(catalog):
    loaded = Pictures.load(catalog, lambda emojis: np.zeros((len(emojis), 1)))
    assert (len(loaded.known), len(loaded.unseen)) == (1563, 355)
    assert loaded.unseen_answers.sum() == 351


def test_reconstruction_of_perfect_and_of_blank(pictures):
    codes = Codes(np.arange(len(pictures.known)), np.arange(len(pictures.unseen)))
    blank = reconstruction(pictures, codes, lambda rows: np.zeros((len(rows), 4, 36, 36)))
    assert blank["MSE unseen"] == pytest.approx(np.square(pictures.unseen_images).mean(), rel=1e-5)
    assert blank["MSE known"] == pytest.approx(np.square(pictures.known_images).mean(), rel=1e-5)


def test_neighbours_of_codes_that_are_the_subgroup(pictures):
    subgroups = sorted({e.subgroup for e in (*pictures.known, *pictures.unseen)})
    table = np.eye(len(subgroups))
    codes = Codes(*(table[[subgroups.index(e.subgroup) for e in es]] for es in (pictures.known, pictures.unseen)))
    perfect = neighbours(pictures, codes)
    sizes = np.array([sum(e.subgroup == other.subgroup for other in pictures.known) for e in pictures.known])
    assert perfect["neighbours known"] >= np.mean(np.minimum(sizes - 1, 10) / 10) - 1e-9


def test_odd_images_are_premultiplied(rng):
    odd = odd_images(rng)
    assert odd.dtype == np.float32
    assert (odd[:, :3] <= odd[:, 3:]).all()


def test_real_pictures_are_like_real_pictures(exported_vae, pictures, rng):
    every = np.concatenate([pictures.known_images, pictures.unseen_images])
    features, _ = exported_vae.judge(every)
    real = drawing(exported_vae, every, features, pictures.known_images)
    noise = drawing(exported_vae, every, features, rng.random(pictures.known_images.shape))
    assert real["Fréchet"] < 0.2 * noise["Fréchet"]
    assert real["precision"] > 0.9
    assert real["recognised"] > 0.85
    assert real["nearest real, least"] == pytest.approx(0, abs=1e-3)


def test_just_noticeable_is_little_but_something(pictures):
    assert 0.01 < just_noticeable(pictures) < 0.3


def test_fresh_answers_of_a_few_questions(ranker, catalog):
    few = questions.load(catalog_file().parent / "questions.csv", catalog, "dev")[:6]
    figures = fresh_answers(ranker, few)
    assert figures["n"] == 6
    assert 0 < figures["cosine"] <= 1
    assert 0 <= figures["shared"] <= 1


def test_a_report_has_a_table_for_each_section(ranker, catalog, tmp_path):
    report = {
        "n": {"known": 3},
        "reconstruction": {"shipped": {"MSE unseen": 0.02}, "raw pixels": {"neighbours known": 0.5}},
        "trade-off": [{"arrangement": 3.0, "second_style": True, "augmented": 0.0, "MSE unseen": 0.03, "seconds": 9}],
    }
    lines = picture_report.as_markdown(report).splitlines()
    assert "| shipped | 0.02 |  |" in lines
    assert "| arrangement 3, second style, not augmented | 0.03 |" in lines
