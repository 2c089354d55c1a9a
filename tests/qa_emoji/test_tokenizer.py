from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa_emoji import paths
from qa_emoji.tokenizer import MAX_CHARACTERS, MAX_PIECES, UNKNOWN, Tokenizer, normalize


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("#TacoTuesday with @friend_1", "taco tuesday with <user>"),
        ("See https://example.org/x?y=1 NOW", "see <url> now"),
        ("soooooo goooood!!!", "soo good!!!"),
        ("I ❤️ 🍕", "i red heart pizza"),
        ("👋🏿👋", "waving hand waving hand"),
        ("👩‍🚀", "woman astronaut"),
        ("1️⃣", "keycap: 1"),
        ("ﬁne ＣＡＰＳ", "fine caps"),
        ("a\x00b\u200bc\n d", "a b c d"),
        ("\ud83c\udf55 \ud800", "pizza \ufffd"),
        ("mail me at a@b.c", "mail me at a@b.c"),
        ("\ufe0f", ""),
        ("ÉTÉ", "été"),
    ],
)
def test_normalize(text, normal):
    assert normalize(text) == normal


def test_a_long_text_is_read_to_a_bound():
    assert len(normalize("ab " * 10**6)) <= MAX_CHARACTERS


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(paths.encoder_weights())


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_has_pieces(tokenizer, text):
    ids = tokenizer.encode(text)
    assert 1 <= len(ids) <= MAX_PIECES
    assert all(0 < i < len(tokenizer) for i in ids)


def test_a_text_of_nothing_visible_is_unknown(tokenizer):
    assert tokenizer.encode("\u200d\ufe0f") == [UNKNOWN]


def test_training_is_deterministic_and_saved(tmp_path):
    texts = [f"{a} {b}" for a in ("red", "blue", "green") for b in ("house", "heart", "apple", "horse", "moon")] * 5
    first, second = (Tokenizer.train(texts, 278) for _ in range(2))
    assert first.model == second.model
    first.save(tmp_path)
    assert Tokenizer.load(tmp_path).encode("red moon") == first.encode("red moon")


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_broken_model_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"tokenizer\.model is missing or not a tokenizer"):
        Tokenizer.load(tmp_path)
