from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from qa_emoji import airline
from qa_emoji.airline import AirlineConfig, Triplets
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoder, TextEncoderConfig
from qa_emoji.tokenizer import Tokenizer

WORDS = {"positive": "great lovely thanks", "neutral": "gate number when", "negative": "late lost rude"}


@pytest.fixture(scope="module")
def tweets():
    return [
        (f"@air {a} {b} {c}", sentiment)
        for sentiment, words in WORDS.items()
        for a in words.split() for b in words.split() for c in ("flight", "today", "now", "again")
    ]  # fmt: skip


@pytest.fixture
def codes(rng):
    return unit_rows(rng.normal(size=(3, 16)))


def write(folder, rows, header="text,airline_sentiment"):
    (folder / "airline").mkdir()
    (folder / "airline" / "tweets.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")


def test_tweets_that_read_alike_count_once(tmp_path):
    write(tmp_path, ['"@a So late,\nagain",negative', '"@B so  late, AGAIN",positive', "ok,neutral"])
    assert airline.load(tmp_path) == [("@a So late,\nagain", "negative"), ("ok", "neutral")]


@pytest.mark.parametrize("row", ["hello,angry", ",negative", "hello"])
def test_a_broken_row_is_named(tmp_path, row):
    write(tmp_path, ["fine,positive", row])
    with pytest.raises(ValueError, match=r"tweets\.csv, line 3: it should have"):
        airline.load(tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tweets\.csv; data/README\.md"):
        airline.load(tmp_path)


def test_the_two_samples_and_their_halves_share_no_tweet(tweets):
    parts = [p for outside in (False, True) for p in airline.split(tweets, outside=outside, sample=50, train=40)]
    assert [len(p) for p in parts] == [40, 10, 40, 10]
    texts = [text for part in parts for text in part.texts]
    assert len(set(texts)) == 100
    sentiments = dict(tweets)
    for part in parts:
        for text, right, wrong in zip(part.texts, part.right, part.wrong, strict=True):
            assert airline.ANSWERS[right] == airline.EMOJIS[sentiments[text]]
            assert wrong != right
    assert airline.split(tweets, sample=50, train=40)[0].texts == parts[0].texts


@pytest.mark.parametrize("how", [{"sample": 200}, {"sample": 60, "outside": True}, {"sample": 40, "train": 40}])
def test_too_few_tweets(tweets, how):
    with pytest.raises(ValueError, match="too few"):
        airline.split(tweets, **{"train": 40, **how})


def test_every_wrong_answer_comes_up(rng):
    right = np.repeat([0, 1, 2], 300)
    wrong = airline.another(right, rng)
    assert not np.any(wrong == right)
    assert all(abs(np.sum((right == a) & (wrong == b)) - 150) < 50 for a in range(3) for b in range(3) if a != b)


def test_judged_by_cosine(codes, rng):
    questions = rng.normal(size=(30, 16))
    triplets = Triplets(["t"] * 30, rng.integers(3, size=30), np.zeros(30, dtype=int))
    triplets = dataclasses.replace(triplets, wrong=airline.another(triplets.right, rng))
    outcome = airline.judge(questions, triplets, codes)
    for i in range(30):
        cosine = [float(questions[i] @ code / np.linalg.norm(questions[i]) / np.linalg.norm(code)) for code in codes]
        assert outcome.predicted[i] == np.argmax(cosine)
        gap = cosine[triplets.right[i]] - cosine[triplets.wrong[i]]
        assert outcome.losses[i] == pytest.approx(max(0, 0.2 - gap), abs=1e-6)


@pytest.mark.parametrize("head_only", [False, True])
def test_a_small_encoder_learns_with_its_body_or_without(tweets, codes, head_only):
    train, validation = airline.split(tweets, sample=100, train=80)
    tokenizer = Tokenizer.train([text for text, _ in tweets], 285)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TextEncoder(TextEncoderConfig(len(tokenizer), embedding_dim=16, filters=16, hidden_dim=16, dropout=0.1))
    before = model.embedding.weight.detach().clone()
    config = AirlineConfig(epochs=20, batch_size=16, learning_rate=1e-2, head_only=head_only)
    losses = []
    airline.train(model, tokenizer, train, codes, config, on_step=lambda step, loss: losses.append(loss["hinge"]))
    assert len(losses) == 100
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    outcome = airline.validate(model, tokenizer, validation, codes)
    assert np.mean(outcome.predicted == validation.right) > 0.9
    assert torch.equal(model.embedding.weight, before) == head_only


def test_the_peer_without_cosines(tweets):
    train, validation = airline.split(tweets, sample=100, train=80)
    outcome = airline.by_linear_svm(train, validation)
    assert outcome.losses is None
    assert np.mean(outcome.predicted == validation.right) > 0.9
