"""The scripts of the two experiments on texts do their work on a few lines in the form of the corpora."""

from __future__ import annotations

import runpy
import zlib

import numpy as np
import pytest
from click.testing import CliRunner

from qa_emoji import TextRanker, airline, teacher


def command(script):
    return runpy.run_path(f"scripts/{script}.py")["main"]


@pytest.fixture
def corpora(tmp_path):
    folder = tmp_path / "corpora"
    for name in ("wikiqa", "airline", "wordnet"):
        (folder / name).mkdir(parents=True)
    topics = ["pizza", "rocket", "puppy", "umbrella"]
    for split, kinds in (("train", ("where", "why", "how", "when")), ("dev", ("what",))):
        rows = [f"{k} is the {t}\tthe {a} {k} is so\t{int(a == t)}" for k in kinds for t in topics for a in topics]
        (folder / "wikiqa" / f"{split}.tsv").write_text("\n".join(["question\tanswer\tlabel", *rows]) + "\n")
    nouns = [f"0000{i} 18 n 01 {topic} 0 000 | a {topic} of note\n" for i, topic in enumerate(topics)]
    (folder / "wordnet" / "data.noun").write_text("".join(nouns))
    (folder / "wordnet" / "index.noun").write_text("".join(f"{t} n 1 0 1 0 0000{i}\n" for i, t in enumerate(topics)))
    for part in ("verb", "adj", "adv"):
        (folder / "wordnet" / f"data.{part}").write_text("")
    words = {"positive": "great lovely thanks", "neutral": "gate number when", "negative": "late lost rude"}
    tweets = [f"{a} {b} {c},{s}" for s, w in words.items() for a in w.split() for b in w.split() for c in "abcd"]
    (folder / "airline" / "tweets.csv").write_text("\n".join(["text,airline_sentiment", *tweets]) + "\n")
    return folder


@pytest.mark.filterwarnings("ignore:Constant folding")
def test_train_text_ranker(corpora, tmp_path, monkeypatch):
    def embed(texts):
        return np.stack([np.random.default_rng(zlib.crc32(t.encode())).normal(size=140) for t in texts])

    monkeypatch.setattr(teacher, "embed", embed)
    monkeypatch.setattr(teacher, "embed_cached", lambda texts, cache, on_chunk: embed(texts))
    options = {"--wordnet": corpora / "wordnet", "--out": tmp_path / "out", "--work": tmp_path / "work", "--dim": 8}
    options |= {"--corpora": corpora, "--vocabulary": 285, "--steps": 3, "--epochs": 1, "--seeds": 2}
    arguments = [str(part) for option in options.items() for part in option]
    result = CliRunner().invoke(command("train_text_ranker"), arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[1:6]] == [
        "random order",
        "word overlap (IDF)",
        "all-MiniLM-L6-v2, 384-d",
        "ours, 8-d, distilled alone",
        "ours, 8-d",
    ]
    assert all(row.split("|")[2].strip() == "4" for row in rows[1:])
    ranker = TextRanker.from_texts(["a pizza", "a rocket"], encoder=tmp_path / "out" / "8" / "seed-1")
    assert len(ranker.rank("where is the pizza", k=2)) == 2


def test_airline_experiment(corpora, monkeypatch):
    monkeypatch.setattr(airline, "SAMPLE", 100)
    monkeypatch.setattr(airline, "TRAIN", 70)
    arguments = ["--corpora", str(corpora), "--seeds", "1", "--no-peer"]
    result = CliRunner().invoke(command("airline_experiment"), arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert "70 tweets to train on of 100" in result.stdout
    header, _, *rows = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in header.split("|")[2:-1]] == ["n", "seeds", "hinge", "accuracy", "macro-F1"]
    assert [row.split("|")[1].strip() for row in rows] == [
        "always 😡",
        "ours, from scratch",
        "ours, from the shipped encoder",
        "ours, from the shipped encoder, head alone",
    ]


@pytest.mark.parametrize("script", ["train_text_ranker", "airline_experiment"])
def test_missing_corpora_are_one_line_and_exit_code_2(script, tmp_path):
    arguments = ["--corpora", str(tmp_path)] + (["--wordnet", str(tmp_path)] if script == "train_text_ranker" else [])
    result = CliRunner().invoke(command(script), arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no corpus file")
    assert result.stderr.count("\n") == 1
