from __future__ import annotations

import numpy as np
import pytest
import torch

from qa_emoji import text_training
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoder, TextEncoderConfig
from qa_emoji.text_training import DistillationConfig, FittingConfig, Projection
from qa_emoji.tokenizer import Tokenizer
from qa_emoji.training import encode_ragged
from qa_emoji.wikiqa import Selection

TOPICS = {
    "pizza": "cheese oven slice",
    "rocket": "space launch moon",
    "dog": "puppy bark leash",
    "rain": "wet cloud umbrella",
}
QUESTIONS = [
    Selection(f"what about {topic} {extra}", tuple(f"the {w} it is" for words in TOPICS.values() for w in words.split()),
              tuple(topic == t for t, words in TOPICS.items() for _ in words.split()))
    for topic in TOPICS for extra in ("now", "here", "then")
]  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    texts = [text for s in QUESTIONS for text in (s.question, *s.candidates)]
    return Tokenizer.train(texts, 295)


def small(tokenizer, seed=0, code_dim=8):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TextEncoder(
            TextEncoderConfig(len(tokenizer), embedding_dim=16, filters=16, hidden_dim=16, code_dim=code_dim, dropout=0)
        )


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_projection_keeps_what_varies_most(rng):
    vectors = rng.normal(size=(400, 12)) * np.array([5, 4, 3, *[0.01] * 9]) + 2
    projected = Projection(vectors, 3, rng)(vectors)
    assert projected.shape == (400, 3)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-4)
    centred = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(projected @ projected.T, centred @ centred.T, atol=0.05)


def test_starting_from_another_copies_all_that_fits(tokenizer):
    wide, narrow = small(tokenizer, 0, 8), small(tokenizer, 1, 4)
    own = state(narrow)
    text_training.start_from(narrow, wide)
    differing = {n for n, v in narrow.state_dict().items() if v.shape != wide.state_dict()[n].shape}
    assert differing
    for name, value in narrow.state_dict().items():
        assert torch.equal(value, own[name] if name in differing else wide.state_dict()[name])


def test_distillation_finds_the_teachers_places_and_resumes(tokenizer, tmp_path, rng):
    texts = sorted({text for s in QUESTIONS for text in (s.question, *s.candidates)})
    ids, targets = [tokenizer.encode(t) for t in texts], rng.normal(size=(len(texts), 8)).astype(np.float32)
    config = DistillationConfig(steps=120, batch_size=24, learning_rate=1e-2, bfloat16=False)
    path = tmp_path / "distil.safetensors"
    whole = text_training.distil(small(tokenizer), ids, targets, config)
    with torch.no_grad():
        codes = encode_ragged(whole, ids).numpy()
    nearest = (unit_rows(codes) @ unit_rows(targets).T).argmax(axis=1)
    assert np.mean(nearest == np.arange(len(texts))) > 0.9

    class KilledError(Exception):
        pass

    def kill(step, losses):
        assert losses["distillation"] > 0
        if step == 110:
            raise KilledError

    with pytest.raises(KilledError):
        text_training.distil(small(tokenizer), ids, targets, config, checkpoint=path, on_step=kill)
    steps = []
    resumed = text_training.distil(
        small(tokenizer, seed=1), ids, targets, config, checkpoint=path, on_step=lambda step, _: steps.append(step)
    )
    assert steps == list(range(101, 121))
    for name, value in resumed.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name
    with pytest.raises(ValueError, match="other settings"):
        text_training.distil(small(tokenizer), ids, targets * 2, config, checkpoint=path)


def test_fitting_learns_which_candidates_answer(tokenizer):
    held = QUESTIONS[2::3]
    config = FittingConfig(epochs=40, batch_size=4, learning_rate=2e-2, bfloat16=False)
    reached = []
    model = small(tokenizer)
    before = text_training.mean_average_precision(model, tokenizer, held)
    text_training.fit(
        model, tokenizer, [s for s in QUESTIONS if s not in held], held, config, on_epoch=lambda _, m: reached.append(m)
    )
    assert len(reached) == 40
    after = text_training.mean_average_precision(model, tokenizer, held)
    assert after == max(m["held-out MAP"] for m in reached)
    assert after > 0.9 > before


def test_fitting_that_only_harms_is_undone(tokenizer):
    model = small(tokenizer)
    wrong = [Selection(s.question, s.candidates, tuple(not right for right in s.right)) for s in QUESTIONS]
    text_training.fit(
        model, tokenizer, QUESTIONS, QUESTIONS, FittingConfig(epochs=40, batch_size=4, learning_rate=2e-2)
    )
    good = state(model)
    config = FittingConfig(epochs=2, learning_rate=1e-2)
    text_training.fit(model, tokenizer, wrong, QUESTIONS, config)
    assert all(torch.equal(value, good[name]) for name, value in model.state_dict().items())


def test_all_right_candidates_are_shown_and_some_wrong_ones():
    right = [False, True, False, False, True, False]
    for seed in range(20):
        places = text_training._some(right, 4, np.random.default_rng(seed))
        assert len(set(places)) == len(places) == 4
        assert {1, 4} <= set(places)
    assert set(text_training._some(right, 1, np.random.default_rng(0))) == {1, 4}
    assert set(text_training._some(right, 99, np.random.default_rng(0))) == set(range(6))


def test_cosines_do_not_depend_on_company(tokenizer):
    model = small(tokenizer).eval()
    together = text_training.cosines(model, tokenizer, QUESTIONS)
    for row, selection in zip(together, QUESTIONS, strict=True):
        (alone,) = text_training.cosines(model, tokenizer, [selection])
        np.testing.assert_allclose(row, alone, atol=1e-5)
