from __future__ import annotations

import faiss
import numpy as np
import pytest

from qa_emoji import code_index
from qa_emoji.code_index import CodeIndex, Filter
from qa_emoji.cosine import unit_rows

KINDS = ["Flat", "IVF200,Flat"]
NONE = np.zeros(0, dtype=np.int64)


@pytest.fixture
def codes(ranker, rng):
    """Four thousand codes around those of the shipped index."""
    real = ranker.index.codes()
    return unit_rows(real[rng.integers(len(real), size=4000)] + 0.1 * rng.normal(size=(4000, 16)))


@pytest.fixture
def queries(ranker):
    return ranker.encode(
        [f"{what} {when}?" for what in ("pizza", "a trip", "so sad", "football") for when in range(25)]
    )


def filled(codes, factory="auto"):
    index = CodeIndex(16, factory)
    index.add(codes, 3 * np.arange(len(codes)))
    return index


def best(codes, queries, k):
    """Cosines and keys by brute force, for codes under every third number."""
    cosines = queries @ codes.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosines, order, axis=1), 3 * order


@pytest.mark.parametrize(("factory", "least"), [("auto", 1), ("Flat", 1), ("IVF200,Flat", 0.99), ("IVF60,Flat", 1)])
def test_recall_against_brute_force(codes, queries, factory, least):
    cosines, keys = filled(codes, factory).search(queries, 10)
    expected, expected_keys = best(codes, queries, 10)
    assert (cosines >= expected[:, -1:] - 1e-6).mean() >= least
    found = keys == expected_keys
    np.testing.assert_allclose(cosines[found], expected[found], atol=1e-6)
    assert found.mean() > 0.9
    assert (np.diff(cosines, axis=1) <= 0).all()


@pytest.mark.parametrize("factory", KINDS)
def test_recall_within_filters(codes, queries, factory):
    index, near = filled(codes, factory), codes @ queries.mean(axis=0)
    for rows in (
        np.arange(0, 4000, 7),
        np.flatnonzero(near < np.median(near)),  # all of them far from what is asked
        np.flatnonzero(near < np.quantile(near, 0.01)),
        np.array([5, 77, 78]),
    ):
        cosines, keys = index.search(queries, 10, Filter(3 * rows))
        k = min(10, len(rows))
        expected = np.sort(queries @ codes[rows].T, axis=1)[:, ::-1][:, :k]
        assert (cosines[:, :k] >= expected[:, -1:] - 1e-6).mean() >= 0.99
        assert np.isin(keys[:, :k], 3 * rows).all()
        assert (keys[:, k:] == -1).all()
    assert (index.search(queries, 3, Filter(NONE))[1] == -1).all()


@pytest.mark.parametrize("factory", KINDS)
def test_everything_can_be_found_by_each_question(codes, queries, factory):
    _, keys = filled(codes, factory).search(queries[:3], 4000)
    assert (np.sort(keys, axis=1) == 3 * np.arange(4000)).all()


@pytest.mark.parametrize("factory", KINDS)
def test_adding_and_removing_is_that_of_a_dict(codes, queries, factory, rng):
    index, held = CodeIndex(16, factory), {}
    for step in range(60):
        if held and step % 3 == 2:
            gone = rng.choice(sorted(held), size=min(len(held), 10), replace=False)
            index.remove(gone)
            for key in gone.tolist():
                del held[key]
        else:
            keys = np.arange(100 * step, 100 * step + rng.integers(1, 30))
            index.add(codes[keys % 4000], keys)
            held |= dict(zip(keys.tolist(), codes[keys % 4000], strict=True))
        assert len(index) == len(held)
        assert index.keys().tolist() == sorted(held)
    assert index.kind == factory
    keys = np.array(sorted(held))
    np.testing.assert_array_equal(index.codes(keys[::-1]), np.stack([held[key] for key in keys[::-1].tolist()]))
    assert np.isin(index.search(queries, 10)[1], keys).all()


def test_a_growing_index_changes_its_kind_and_keeps_its_codes(codes, queries, monkeypatch):
    monkeypatch.setattr(code_index, "EXACT_UP_TO", 500)
    index, keys, kinds = CodeIndex(16), 3 * np.arange(4000), []
    for start in range(0, 4000, 250):
        index.add(codes[start : start + 250], keys[start : start + 250])
        kinds.append(index.kind)
    assert list(dict.fromkeys(kinds)) == ["Flat", "IVF27,Flat", "IVF55,Flat"]  # 750 codes, and over four times as many
    np.testing.assert_array_equal(index.codes(keys), codes)
    np.testing.assert_allclose(index.search(queries, 10)[0], best(codes, queries, 10)[0], atol=1e-6)
    index.remove(keys[100:])
    assert index.kind == "IVF55,Flat"
    assert index.search(queries, 200)[1].max() == keys[99]


def test_a_failure_while_outgrowing_changes_nothing(codes, monkeypatch):
    monkeypatch.setattr(code_index, "EXACT_UP_TO", 500)
    index = CodeIndex(16)
    index.add(codes[:400], np.arange(400))

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(code_index, "_inverted", fail)
    with pytest.raises(MemoryError):
        index.add(codes[400:800], np.arange(400, 800))
    assert index.keys().tolist() == list(range(400))


@pytest.mark.parametrize("factory", KINDS)
def test_bytes(codes, queries, factory):
    index = filled(codes, factory)
    content = index.to_bytes()
    assert content == filled(codes, factory).to_bytes()
    again = CodeIndex.from_bytes(content, 16, factory)
    assert again.to_bytes() == content
    assert again.kind == factory
    for cosines in zip(index.search(queries, 5), again.search(queries, 5), strict=True):
        np.testing.assert_array_equal(*cosines)
    again.remove(np.array([3, 30]))
    assert len(again) == 3998
    assert len(index) == 4000


@pytest.mark.parametrize("factory", ["HNSW32,Flat", "IVF10,PQ4", "IVF0,Flat", "flat", "", "IVF10,Flat,RFlat"])
def test_kinds_that_cannot_remove_or_give_back_are_refused(factory):
    with pytest.raises(ValueError, match="An index is 'auto', 'Flat' or inverted lists"):
        CodeIndex(16, factory)


@pytest.mark.parametrize(
    "foreign",
    [
        faiss.IndexFlatIP(16),
        faiss.IndexIDMap2(faiss.IndexFlatL2(16)),
        faiss.IndexIDMap2(faiss.IndexFlatIP(8)),
        faiss.IndexIDMap2(faiss.index_factory(16, "HNSW8", faiss.METRIC_INNER_PRODUCT)),
        faiss.index_factory(16, "SQ8", faiss.METRIC_INNER_PRODUCT),
    ],
)
def test_foreign_faiss_indexes_are_refused(foreign):
    with pytest.raises(ValueError, match="The FAISS index is of another"):
        CodeIndex.from_bytes(faiss.serialize_index(foreign).tobytes(), 16)
