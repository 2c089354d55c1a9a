from __future__ import annotations

import zlib

import numpy as np
import pytest

from qa_emoji import TextRanker, airline, text_jobs, wikiqa
from qa_emoji.airline import AirlineConfig
from qa_emoji.encoder import TextEncoderConfig
from qa_emoji.text_jobs import Row, Texts
from qa_emoji.text_training import DistillationConfig, FittingConfig
from qa_emoji.tokenizer import normalize
from qa_emoji.wikiqa import Selection

TOPICS = ["pizza", "rocket", "puppy", "umbrella", "guitar", "mountain", "teacher", "winter"]
SHARED = "this sentence is in both splits"


def lines(topics, kinds):
    rows = ["question\tanswer\tlabel"]
    for topic in topics:
        for kind in kinds:
            rows += [f"{kind} is the {topic}\tthe {other} {kind} is so\t{int(other == topic)}" for other in TOPICS]
            rows.append(f"{kind} is the {topic}\t{SHARED}\t0")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "wikiqa").mkdir()
    (folder / "wikiqa" / "train.tsv").write_text(
        lines(TOPICS, ["where", "why", "how"]) + f"only shared\t{SHARED}\t1\nwhat is the pizza\tanother answer\t1\n"
    )
    (folder / "wikiqa" / "dev.tsv").write_text(lines(TOPICS, ["what"]))
    nouns = "".join(f'0000{i} 18 n 01 {t}_x 0 000 | a {t} of note; "it is a {t}"\n' for i, t in enumerate(TOPICS))
    (folder / "data.noun").write_text("  1 licence\n" + nouns)
    (folder / "index.noun").write_text("".join(f"{t}_x n 1 0 1 0 0000{i}\n" for i, t in enumerate(TOPICS)))
    for part in ("verb", "adj", "adv"):
        (folder / f"data.{part}").write_text("")
    return folder


@pytest.fixture(scope="module")
def texts(folder):
    return Texts.load(folder, folder)


def test_nothing_of_dev_or_held_out_is_learned_from(folder, texts):
    dev = {normalize(t) for s in wikiqa.load(folder, "dev") for t in (s.question, *s.candidates)}
    held = {normalize(t) for s in texts.held_out for t in (s.question, *s.candidates)}
    assert normalize(SHARED) in dev
    learned = [t for s in texts.fitted for t in (s.question, *s.candidates)]
    assert not dev & {normalize(t) for t in [*learned, *texts.plain]}
    assert not held & {normalize(t) for t in texts.plain}
    assert "only shared" not in {s.question for s in texts.fitted + texts.held_out}
    assert "what is the pizza" not in {s.question for s in texts.fitted + texts.held_out}
    assert len(texts.fitted) + len(texts.held_out) == len(TOPICS) * 3
    assert {s.question for s in texts.held_out} == {
        s.question for s in texts.fitted + texts.held_out if zlib.crc32(s.question.encode()) % 5 == 0
    }
    assert all(any(s.right) and len(s.right) == len(s.candidates) for s in texts.fitted)


def test_definitions(folder):
    assert sorted(text_jobs.definitions(folder)) == sorted(f"{t} x is a {t} of note" for t in TOPICS)
    assert len(text_jobs.definitions(folder, most=3)) == 3


def read(texts):
    """A teacher that reads the topic of a text and a little of its letters."""
    vectors = np.zeros((len(texts), 32), np.float32)
    for row, text in enumerate(texts):
        for at, topic in enumerate(TOPICS):
            vectors[row, at] = 3 * (topic in text)
        vectors[row, 8:] = np.random.default_rng(zlib.crc32(text.encode())).normal(size=24) * 0.2
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def made(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return text_jobs.train_text_encoders(
        texts,
        folder / "out",
        work=folder,
        read=read,
        dims=(12, 4),
        seeds=(0, 1),
        vocabulary=295,
        model_config=TextEncoderConfig(embedding_dim=16, filters=16, hidden_dim=16, dropout=0.0),
        distillation=DistillationConfig(steps=60, batch_size=32, learning_rate=1e-2),
        fitting=FittingConfig(epochs=2, batch_size=8, learning_rate=2e-3),
    )


def test_encoders_of_each_size_and_seed(made):
    assert [(dim, [f.name for f in folders]) for dim, folders in made.items()] == [
        (12, ["distilled", "seed-0", "seed-1"]),
        (4, ["distilled", "seed-0", "seed-1"]),
    ]
    for dim, folders in made.items():
        for folder in folders:
            ranker = TextRanker.from_texts(["the pizza where is so", "the rocket where is so"], encoder=folder)
            assert ranker.codes.shape == (2, dim)


def test_the_table(folder, texts, made):
    dev = wikiqa.load(folder, "dev")
    rows = text_jobs.evaluate_text_encoders(made, texts, dev, peer=read)
    assert [row.seeds for row in rows] == [1, 1, 1, 1, 2, 2, 1, 2, 2]
    assert {row.n for row in rows} == {len(TOPICS)}
    by_name = {row.system: row.figures for row in rows}
    assert by_name["all-MiniLM-L6-v2, 384-d"]["MAP"][0] == 1
    assert by_name["ours, 12-d"]["MAP"][0] > 0.6 > by_name["random order"]["MAP"][0]
    for figures in by_name.values():
        for value, low, high in figures.values():
            assert 0 <= low <= value <= high <= 1
    scores = [
        TextRanker.from_texts(list(s.candidates), encoder=made[12][1]).scores(s.question, s.candidates) for s in dev
    ]
    other = [
        TextRanker.from_texts(list(s.candidates), encoder=made[12][2]).scores(s.question, s.candidates) for s in dev
    ]
    expected = np.mean([wikiqa.average_precision(seed, dev) for seed in (scores, other)])
    assert by_name["ours, 12-d"]["MAP"][0] == pytest.approx(expected, abs=1e-3)


def test_the_weight_of_overlap_is_the_smallest_of_the_best(encoder):
    asked = [Selection("a zebra", ("a lion", "a zebra"), (False, True))]
    codes = np.zeros((2, encoder.dim), np.float32)
    codes[0] = encoder.encode(["a zebra"])[0]
    ranker = TextRanker(["a lion", "a zebra"], codes, encoder)
    assert 1 <= text_jobs.overlap_weight(ranker, asked) <= 1.5  # the first that outdoes a cosine of about 1
    assert text_jobs.overlap_weight(ranker, [Selection("a zebra", ("a lion", "a zebra"), (True, False))]) == 0


def test_markdown_leaves_out_what_was_not_measured():
    rows = [Row("a", 9, 1, {"x": (0.5, 0.25, 0.75)}), Row("b", 9, 2, {"y": (1, 1, 1), "x": (0, 0, 0)})]
    assert text_jobs.as_markdown(rows).splitlines() == [
        "| | n | seeds | x | y |",
        "|---|---:|---:|---:|---:|",
        "| a | 9 | 1 | 0.5000 (0.2500-0.7500) |  |",
        "| b | 9 | 2 | 0.0000 (0.0000-0.0000) | 1.0000 (1.0000-1.0000) |",
    ]


def test_the_seeds_experiment(ranker, monkeypatch):
    monkeypatch.setattr(airline, "SAMPLE", 60)
    monkeypatch.setattr(airline, "TRAIN", 40)
    words = {"positive": "great lovely thanks", "neutral": "gate number when", "negative": "late lost rude"}
    tweets = [
        (f"{a} {b} {c}", sentiment)
        for sentiment, listed in words.items() for a in listed.split() for b in listed.split() for c in ("now", "today", "here")
    ]  # fmt: skip
    config = AirlineConfig(epochs=3, batch_size=8, learning_rate=5e-3)
    rows = text_jobs.airline_experiment(
        tweets, ranker.index, seeds=(0, 1), scratch=config, fine_tuning=config, head_only=config
    )
    assert [(row.system, row.n, row.seeds) for row in rows] == [
        ("always 😡", 20, 1),
        ("TF-IDF + linear SVM", 20, 1),
        ("ours, from scratch", 20, 2),
        ("ours, from the shipped encoder", 20, 2),
        ("ours, from the shipped encoder, head alone", 20, 2),
    ]
    assert list(rows[1].figures) == ["accuracy", "macro-F1"]
    always, ours = rows[0].figures, rows[3].figures
    assert list(ours) == ["hinge", "accuracy", "macro-F1"]
    _, validation = airline.split(tweets)
    assert always["accuracy"][0] == np.mean(validation.right == 2)
    assert ours["hinge"][0] < always["hinge"][0]
    assert ours["accuracy"][0] > always["accuracy"][0]


def test_the_answers_are_looks_alone(ranker):
    codes = text_jobs.airline_codes(ranker.index)
    assert codes.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)
    for emoji, code in zip(airline.ANSWERS, codes, strict=True):
        latent = ranker.latent(emoji)
        np.testing.assert_allclose(code, latent / np.linalg.norm(latent), atol=1e-5)
