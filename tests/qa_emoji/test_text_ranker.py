from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from qa_emoji import TextRanker
from qa_emoji.overlap import WordOverlap

TEXTS = [
    "Bake it for ten minutes at 200 degrees.",
    "The train leaves at noon.",
    "Dogs bark at strangers.",
    "It rains in April.",
    "Pizza comes from Naples.",
]


@pytest.fixture(scope="module")
def texts():
    return TextRanker.from_texts(TEXTS)


def test_best_first_by_cosine(texts):
    question = "When does it rain?"
    answers = texts.rank(question, k=3)
    cosines = texts.encode(TEXTS) @ texts.encode([question])[0]
    order = np.argsort(-cosines)[:3]
    assert [a.text for a in answers] == [TEXTS[i] for i in order]
    assert [a.rank for a in answers] == [1, 2, 3]
    np.testing.assert_allclose([a.score for a in answers], cosines[order], atol=1e-6)
    np.testing.assert_allclose(answers[0].code, texts.encode([str(answers[0])])[0], atol=1e-6)


def test_a_text_answers_itself(texts):
    for text in TEXTS:
        (answer,) = texts.rank(text, k=1)
        assert (answer.text, answer.rank) == (text, 1)
        assert answer.score == pytest.approx(1, abs=1e-6)


def test_more_answers_than_there_are_and_equals_in_order(texts):
    assert {a.text for a in texts.rank("hello", k=100)} == set(TEXTS)
    alike = np.eye(1, texts.encoder.dim, dtype=np.float32).repeat(3, axis=0)
    same = TextRanker(["b", "a", "c"], alike, texts.encoder)
    assert [a.text for a in same.rank("hello")] == ["b", "a", "c"]


def test_a_text_twice_is_one_candidate():
    assert TextRanker.from_texts(["b", "a", "b"]).texts == ("b", "a")


def test_candidates(texts):
    answers = texts.rank("pizza", k=5, candidates=[TEXTS[1], TEXTS[4], TEXTS[1]])
    assert {a.text for a in answers} == {TEXTS[1], TEXTS[4]}
    everything = dict(zip(TEXTS, texts.scores("pizza"), strict=True))
    np.testing.assert_allclose([a.score for a in answers], [everything[a.text] for a in answers], atol=1e-6)
    chosen = [TEXTS[4], TEXTS[0]]
    np.testing.assert_allclose(texts.scores("pizza", chosen), [everything[t] for t in chosen], atol=1e-6)


def test_a_batch_ranks_as_one_by_one(texts):
    questions = ["pizza", "a much longer question about when the next train leaves from here", "??", "pizza"]
    frame = texts.rank_batch(questions, k=2)
    assert list(frame.columns) == ["question", "rank", "answer", "score"]
    single = [a for q in questions for a in texts.rank(q, k=2)]
    assert frame["question"].tolist() == [q for q in questions for _ in range(2)]
    assert frame["answer"].tolist() == [a.text for a in single]
    assert frame["rank"].tolist() == [1, 2] * 4
    np.testing.assert_allclose(frame["score"], [a.score for a in single], atol=1e-6)
    assert list(texts.rank_batch([]).columns) == ["question", "rank", "answer", "score"]


def test_word_overlap_adds_to_the_cosine(texts):
    question = "Where does pizza come from?"
    both = TextRanker.from_texts(TEXTS, overlap=0.7)
    expected = texts.scores(question) + 0.7 * WordOverlap(TEXTS).shares(question)
    np.testing.assert_allclose(both.scores(question), expected, atol=1e-6)
    assert TextRanker.from_texts(TEXTS, overlap=100).rank(question)[0].text == TEXTS[4]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": " \n"}, ValueError, "blank"),
        ({"text": None}, TypeError, "not NoneType"),
        ({"text": ["hi"]}, TypeError, "not list"),
        ({"k": 0}, ValueError, "k should be at least 1"),
        ({"k": 1.5}, TypeError, "whole number"),
        ({"candidates": []}, ValueError, "at least one candidate"),
        ({"candidates": ["Elsewhere."]}, ValueError, "'Elsewhere.' is not among the texts"),
        ({"candidates": TEXTS[0]}, TypeError, "list of texts"),
        ({"candidates": [3]}, TypeError, "not int"),
    ],
)
def test_bad_arguments_get_one_sentence(texts, arguments, error, message):
    with pytest.raises(error, match=message) as raised:
        texts.rank(**{"text": "hello", **arguments})
    assert "\n" not in str(raised.value)


def test_bad_parts_are_refused(texts, tmp_path):
    codes = texts.codes
    with pytest.raises(ValueError, match="different texts, and at least one"):
        TextRanker([], codes[:0], texts.encoder)
    with pytest.raises(ValueError, match="different texts"):
        TextRanker(["a", "a"], codes[:2], texts.encoder)
    with pytest.raises(ValueError, match="1 candidates need codes of shape"):
        TextRanker(["a"], codes, texts.encoder)
    with pytest.raises(ValueError, match="overlap should be at least 0"):
        TextRanker.from_texts(["a"], overlap=-1)
    with pytest.raises(ValueError, match="at least one"):
        TextRanker.from_texts([])
    with pytest.raises(ValueError, match=r"blank \(text 1\)"):
        TextRanker.from_texts(["a", ""])
    with pytest.raises(TypeError, match="not one text"):
        TextRanker.from_texts("a")
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        TextRanker.from_texts(["a"], encoder=tmp_path)


def test_no_torch_on_the_way_of_a_question(tmp_path):
    program = (
        "import sys; from qa_emoji import TextRanker; "
        "r = TextRanker.from_texts(['a cat', 'a dog'], overlap=0.5); r.rank('hello'); "
        "assert not {'torch', 'pandas', 'faiss'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
