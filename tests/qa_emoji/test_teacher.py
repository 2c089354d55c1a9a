from __future__ import annotations

import numpy as np

from qa_emoji import paths, teacher
from qa_emoji.tokenizer import Tokenizer


def test_pieces_keep_the_distances_of_their_vectors(rng):
    plane = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 384))  # three dimensions in disguise
    vectors = teacher.piece_vectors([str(i) for i in range(40)], 3, spread=0.5, read=lambda pieces: plane)
    assert vectors.shape == (40, 3)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.std(), 0.5, rtol=1e-5)
    ours, theirs = (np.linalg.norm(v[:, None] - v, axis=2) for v in (vectors, plane))
    scale = theirs.sum() / ours.sum()
    np.testing.assert_allclose(ours * scale, theirs, rtol=1e-3, atol=1e-2)


def test_pieces_are_read_without_the_mark_of_a_beginning():
    pieces = Tokenizer.load(paths.encoder_weights()).pieces
    assert "the" in pieces
    assert not any("\N{LOWER ONE EIGHTH BLOCK}" in piece for piece in pieces)


def test_what_was_read_before_is_not_read_again(tmp_path, monkeypatch):
    read = []

    def embed(texts, half):
        assert half
        read.append(list(texts))
        return np.full((len(texts), teacher.DIM), len(texts), dtype=np.float32)

    monkeypatch.setattr(teacher, "embed", embed)
    first = teacher.embed_cached(["a", "b", "c"], tmp_path, chunk=2)
    again = teacher.embed_cached(["a", "b", "d"], tmp_path, chunk=2)
    assert read == [["a", "b"], ["c"], ["d"]]
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float16
