from __future__ import annotations

import numpy as np
import pytest

from qa_emoji.catalog import Emoji
from qa_emoji.evaluation import peers
from qa_emoji.evaluation.recommenders import best


def emoji(character, name, *keywords):
    return Emoji(character, name, keywords, "g", "s", 1.0)


@pytest.fixture
def few():
    return [
        emoji("🐕", "dog", "pet"),
        emoji("🐱", "cat face", "pet", "cat"),
        emoji("🌭", "hot dog", "food", "sausage"),
        emoji("🍕", "pizza", "food", "cheese", "italian food"),
        emoji("🎉", "party popper", "celebration", "tada"),
    ]


@pytest.fixture
def search(few):
    recommend = peers.keyword_search()
    return lambda text, k=5: recommend([text], few, k)[0]


def test_a_whole_word_is_found(search):
    assert search("Pizza tonight?") == ["🍕"]
    assert search("my PETS") == ["🐕", "🐱"]


def test_a_phrase_beats_its_words(search):
    assert search("I want a hot dog")[0] == "🌭"
    assert search("a dog")[0] == "🐕"


def test_the_start_of_a_word_is_found_and_counts_less(search):
    assert search("sausag") == ["🌭"]
    assert search("celebr") == ["🎉"]
    assert search("ta") == []


def test_names_count_more_than_keywords(few):
    named = [emoji("1", "one", "cheese"), emoji("2", "cheese", "one")]
    assert peers.keyword_search()(["cheese"], named, 2) == [["2", "1"]]


def test_rare_words_count_more():
    emojis = [emoji("1", "a", "food"), emoji("2", "b", "food"), emoji("3", "c", "food"), emoji("4", "d", "rocket")]
    assert peers.keyword_search()(["food rocket"], emojis, 4)[0][0] == "4"


def test_nothing_matches_nothing(search):
    assert search("what is it about?") == []
    assert search("日本") == []
    assert search("", 3) == []


def test_search_finds_every_emoji_by_its_name(catalog):
    candidates = catalog.base_forms()
    names = [e.name for e in candidates]
    rows = peers.keyword_search()(names[::10], candidates, 5)
    found = [e.emoji in row for e, row in zip(candidates[::10], rows, strict=True)]
    assert np.mean(found) > 0.95


def test_svm_learns_which_words_call_for_what(few):
    said = {"🐕": "woof dog walk", "🍕": "cheese pizza slice", "🎉": "party tonight hooray"}
    pairs = [(f"{text} {i}", [label]) for label, text in said.items() for i in range(8)]
    recommend = peers.linear_svm(pairs)
    rows = recommend(["a walk with the dog", "slice of pizza", "hooray party"], few, 5)
    assert [row[0] for row in rows] == ["🐕", "🍕", "🎉"]
    assert rows[0][3:] == ["🐱", "🌭"]  # never seen: last, in their order


def test_svm_with_several_labels(few):
    pairs = [("cheese pizza", ["🍕", "🎉"]), ("pizza slice", ["🍕"]), ("dog walk", ["🐕"]), ("party all", ["🎉"])] * 6
    recommend = peers.linear_svm(pairs)
    assert set(recommend(["cheese pizza"], few, 2)[0]) == {"🍕", "🎉"}


def test_the_most_common_labels_answer_everything(few):
    pairs = [("a", ["🎉", "🍕"]), ("b", ["🍕"]), ("c", ["🦩"])]
    rows = peers.most_common(pairs)(["x", "pizza"], few, 3)
    assert rows == [["🍕", "🎉", "🐕"]] * 2


def test_chance_is_fair_and_repeats(few):
    texts = ["x"] * 4_000
    rows = peers.chance(3)(texts, few, 2)
    assert rows == peers.chance(3)(texts, few, 2)
    assert rows != peers.chance(4)(texts, few, 2)
    first = [row[0] for row in rows]
    assert all(abs(first.count(e.emoji) / 4_000 - 0.2) < 0.03 for e in few)


def test_minilm_reads_names_and_keywords(few, monkeypatch):
    read = []

    def embed(texts):
        read.append(list(texts))
        return np.stack([np.array(["pet" in text, "food" in text, 0.1], dtype=float) for text in texts])

    monkeypatch.setattr("qa_emoji.teacher.embed", embed)
    recommend = peers.minilm()
    assert recommend(["food"], few[:4], 2) == [["🌭", "🍕"]]
    assert read[0] == [e.description for e in few[:4]]
    assert recommend(["pet"], few, 1) == [["🐕"]]
    assert read[2] == [few[4].description]  # the others are known by now


def test_best_takes_the_first_of_equals(few):
    scores = np.array([[0.0, 2.0, 1.0, 2.0, 0.0]])
    assert best(scores, few, 4) == [["🐱", "🍕", "🌭", "🐕"]]
    assert best(scores, few, 4, above=0) == [["🐱", "🍕", "🌭"]]
