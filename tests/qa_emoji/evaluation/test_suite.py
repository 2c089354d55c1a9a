from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qa_emoji import corpora as readers
from qa_emoji import evaluation_cli, questions
from qa_emoji.evaluation import judgements, suite
from qa_emoji.evaluation.suite import Dataset

FILE = "data/questions.csv"
SECOND = {"dev questions": "most common", "TweetEval val": "TF-IDF + SVM"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Corpora of a few tweets and labelled pairs."""
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "tweeteval_emoji").mkdir()
    (folder / "emoji2vec").mkdir()
    texts = {"0": "love you ❤ so", "1": "haha funny lol"}
    for split, n in (("train", 6), ("val", 3)):
        labels = ["0", "1"] * n
        (folder / f"tweeteval_emoji/{split}_labels.txt").write_text("\n".join(labels) + "\n")
        tweets = [f"{texts[label]} \ufe0f {i}" for i, label in enumerate(labels)]
        (folder / f"tweeteval_emoji/{split}_text.txt").write_text("\n".join(tweets) + "\n", "utf-8")
    (folder / "tweeteval_emoji/mapping.txt").write_text("0\t❤\t_heart_\n1\t😂\t_joy_\n", "utf-8")
    for split in ("dev", "test"):
        (folder / f"emoji2vec/{split}.txt").write_text("pizza\t🍕\tTrue\ndog\t🍕\tFalse\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def found(small, ranker, catalog):
    asked = suite.question_dataset(FILE, "dev", ranker, catalog, ["random", "common", "keywords"])
    tweets = suite.tweet_dataset(small, ranker, catalog, ["random", "svm", "keywords"])
    datasets = [Dataset(asked.name, asked.questions[::9], asked.candidates, asked.systems), tweets]
    done = []
    evaluation = suite.evaluate(datasets, catalog, about={"questions": "dev"}, on_system=done.append)
    assert done == list(range(1, 9))
    return evaluation


def test_every_system_answers_every_question(found):
    sizes = found.run.groupby(["dataset", "system"], sort=False).size().to_dict()
    names = {d: ["qa-emoji", "random", second, "keyword search"] for d, second in SECOND.items()}
    assert list(sizes) == [(d, s) for d in names for s in names[d]]
    assert {n for (d, _), n in sizes.items() if d == "dev questions"} == {61}
    assert {n for (d, _), n in sizes.items() if d == "TweetEval val"} == {6}


def test_tweets_have_no_selector_and_two_candidates(found):
    tweets = found.run[found.run["dataset"] == "TweetEval val"]
    assert not any("\ufe0f" in text for text in tweets["text"])
    assert (tweets["candidates"] == 2).all()
    values = {(f.system, f.measure): f.value for f in found.figures if f.kind == "TweetEval val"}
    assert values["TF-IDF + SVM", "macro-F1"] == 1
    assert values["TF-IDF + SVM", "accuracy@1"] == 1
    assert values["random", "accuracy@3"] == 1


def test_figures_by_kind_topic_and_in_all(found):
    assert list(dict.fromkeys(f.kind for f in found.figures)) == [
        "known",
        "implicit",
        "unseen",
        "dev questions",
        "TweetEval val",
    ]
    assert {f.kind for f in found.topics} == set(found.run["category"]) - {""}
    assert {f.measure for f in found.topics} == set(suite.TOPIC_MEASURES)


def test_differences_are_ours_less_each_peer(found):
    others = {"random", "keyword search", *SECOND.values()}
    assert {(d.system, d.other) for d in found.differences} == {("qa-emoji", other) for other in others}
    values = {(f.system, f.kind, f.measure): f.value for f in found.figures}
    for d in found.differences:
        assert d.value == pytest.approx(values[d.system, d.kind, d.measure] - values[d.other, d.kind, d.measure])


def test_misses_are_ours(found):
    mine = found.run[(found.run["system"] == "qa-emoji") & (found.run["dataset"] == "dev questions")]
    missed = set(mine.loc[mine["hit@10"] == 0, "text"])
    assert len(found.misses) == min(20, len(missed)) > 0
    assert {miss.question.text for miss in found.misses} <= missed


def test_an_earlier_run_is_compared_with_itself(found, catalog, ranker):
    asked = [q for q in questions.load(FILE, catalog, "dev") if q.text in set(found.run["text"])]
    systems = suite.question_dataset(FILE, "dev", ranker, catalog, []).systems
    dataset = Dataset("dev questions", asked, catalog.base_forms(), systems)
    again = suite.evaluate([dataset], catalog, about={}, earlier=found.run)
    since = [d for d in again.differences if d.other == "qa-emoji before"]
    assert {d.kind for d in since} == {"known", "implicit", "unseen", "dev questions"}
    assert all((d.value, d.low, d.high, d.p) == (0, 0, 0, 1) for d in since)
    renamed = suite.evaluate([dataset], catalog, about={}, earlier=found.run.replace("dev questions", "all"))
    assert [d.value for d in renamed.differences] == [0] * len(since)
    with pytest.raises(ValueError, match="cannot be compared"):
        suite.evaluate([dataset], catalog, about={}, earlier=found.run.assign(system="other"))


def test_the_svm_learns_from_messages_and_the_known_labels_of_the_training_split(ranker, catalog, monkeypatch):
    learned: list = []
    monkeypatch.setattr(suite.peers, "linear_svm", learned.extend)
    suite.question_dataset(FILE, "dev", ranker, catalog, ["svm"]).systems["TF-IDF + SVM"]()
    train = {q.text: q.emojis for q in questions.load(FILE, catalog, "train")}
    messages = list(readers.messages(Path(FILE).with_name("messages.csv")))
    assert len(messages) > 2000
    assert learned[: len(messages)] == messages
    assert len(learned) == len(messages) + len(train)
    for text, emojis in learned[len(messages) :]:
        assert emojis == [e for e in train[text] if catalog[e].known]


def test_labelled_pairs(small, ranker, catalog, monkeypatch):
    (accuracy, auc) = suite.pair_figures(small, ranker, catalog, ["random"])
    assert (accuracy.system, accuracy.measure, auc.measure, auc.n) == ("qa-emoji", "accuracy", "AUC", 2)
    perfect = np.array([1.0, 0.0])
    monkeypatch.setattr(suite.emoji2vec, "minilm", lambda: lambda texts, emojis: perfect)
    *_, accuracy, auc = suite.pair_figures(small, ranker, catalog, ["minilm"])
    assert (accuracy.system, accuracy.value, auc.value) == ("MiniLM", 1, 1)


def test_without_corpora_the_suite_has_questions_alone(small, ranker, catalog):
    names = [[d.name for d in suite.suite_datasets(FILE, "dev", c, ranker, catalog, [])] for c in (None, small)]
    assert names == [["dev questions"], ["dev questions", "TweetEval val"]]


def test_the_command_names_the_same_peers():
    assert evaluation_cli._PEERS == suite.PEERS == tuple(suite.TITLES)


def test_a_file_has_no_svm(ranker, catalog):
    asked = judgements.read(FILE, catalog, split="dev")
    with pytest.raises(ValueError, match="not 'svm'"):
        suite.file_dataset(asked, ranker, catalog, ["svm"])
    assert list(suite.file_dataset(asked, ranker, catalog, ["images"]).systems) == ["qa-emoji", "images only"]


def test_about_tells_of_rejected_rows(ranker):
    told = suite.about("x.csv", ranker, [(7, "no text"), (9, "no text")])
    assert told["left out"] == "2 rows, the first row 7: no text"
    assert told["questions"] == "x.csv"
    assert len(told["encoder"]) == 12
