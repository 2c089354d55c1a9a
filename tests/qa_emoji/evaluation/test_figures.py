from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from qa_emoji import metrics
from qa_emoji.catalog import Catalog
from qa_emoji.evaluation import evaluate_questions, figures, runs
from qa_emoji.questions import Question


@pytest.fixture
def candidates(catalog: Catalog):
    return catalog.base_forms()[:15]


@pytest.fixture
def asked(candidates, rng):
    return [
        Question(f"text {i}", tuple(candidates[j].emoji for j in rng.permutation(15)[: 1 + i % 3]), "ab"[i % 2], "test")
        for i in range(30)
    ]


def random_system(seed):
    def recommend(texts, candidates, k):
        generator = np.random.default_rng(seed)
        return [[candidates[i].emoji for i in generator.permutation(len(candidates))[:k]] for _ in texts]

    return recommend


@pytest.fixture
def table(catalog, candidates, asked):
    parts = [runs.run("set", f"s{seed}", random_system(seed), asked, candidates, catalog) for seed in (1, 2)]
    return pd.concat(parts, ignore_index=True)


def test_a_figure_is_the_mean_of_the_column(table):
    found = figures.figures(table)
    assert {f.kind for f in found} == {"set"}
    for f in found:
        part = table[table["system"] == f.system]
        assert f.n == 30
        if f.measure == "hubness":
            ids = {e: i for i, e in enumerate({e for row in part["answers"] for e in row})}
            expected = metrics.hubness(np.array([[ids[e] for e in row] for row in part["answers"]]), 15)
        else:
            expected = part[f.measure].mean()
        assert f.value == pytest.approx(expected)
        assert f.low <= f.value <= f.high
    assert not any(f.measure.startswith(("accuracy", "macro")) for f in found)


def test_by_topic_of_some_measures(table):
    found = figures.figures(table, by="category", measures=("hit@5",))
    assert [(f.kind, f.system, f.n) for f in found] == [(t, s, 15) for t in "ab" for s in ("s1", "s2")]
    part = table[(table["category"] == "b") & (table["system"] == "s2")]
    assert found[-1].value == part["hit@5"].mean()


def test_macro_f1_of_single_labels(catalog, candidates, asked):
    one = [dataclasses.replace(q, emojis=q.emojis[:1]) for q in asked]
    table = runs.run("set", "s", random_system(4), one, candidates[:5], catalog)
    found = {f.measure: f for f in figures.figures(table)}
    expected = metrics.macro_f1([row[0] for row in table["answers"]], [q.emojis[0] for q in one])
    assert found["macro-F1"].value == pytest.approx(expected)
    assert found["accuracy@1"].value == found["hit@1"].value
    assert "hubness" not in found  # five candidates are all answered every time


def test_no_answer_is_a_wrong_label(catalog, candidates):
    asked = [Question("x", (candidates[0].emoji,), "", "test")] * 2
    table = runs.run("set", "s", lambda *_: [[], [candidates[0].emoji]], asked, candidates, catalog)
    (f1,) = (f for f in figures.figures(table) if f.measure == "macro-F1")
    assert f1.value == pytest.approx(2 / 3)


def test_differences_are_paired(table):
    first, second = (table[table["system"] == s] for s in ("s1", "s2"))
    shuffled = second.sample(frac=1, random_state=1)
    found = figures.differences(first, shuffled, measures=("hit@5", "hubness"))
    assert [(d.system, d.other, d.measure, d.n) for d in found] == [
        ("s1", "s2", "hit@5", 30),
        ("s1", "s2", "hubness", 30),
    ]
    gap = first["hit@5"].to_numpy() - second["hit@5"].to_numpy()
    assert found[0].value == pytest.approx(gap.mean())
    rows = np.random.default_rng(0).integers(30, size=(1000, 30))
    np.testing.assert_allclose([found[0].low, found[0].high], np.quantile(gap[rows].mean(axis=1), [0.025, 0.975]))


def test_a_run_does_not_differ_from_itself(table):
    first = table[table["system"] == "s1"]
    for d in figures.differences(first, first, name="before", by="category"):
        assert (d.value, d.low, d.high, d.p, d.other) == (0, 0, 0, 1, "before")


def test_only_common_questions_are_compared(table):
    first = table[table["system"] == "s1"]
    found = figures.differences(first.iloc[:20], first.iloc[10:], measures=("hit@1",))
    assert found[0].n == 10
    with pytest.raises(ValueError, match="no question in common"):
        figures.differences(first.iloc[:5], first.iloc[5:])


def test_a_text_that_comes_twice_pairs_in_order(table):
    twice = pd.concat([table[table["system"] == "s1"].iloc[:1]] * 2, ignore_index=True)
    changed = twice.copy()
    changed.loc[1, "hit@1"] = 1 - changed.loc[1, "hit@1"]
    (found,) = figures.differences(twice, changed, measures=("hit@1",))
    assert found.n == 2
    assert abs(found.value) == 0.5


def test_other_candidates_cannot_be_compared(table):
    first = table[table["system"] == "s1"]
    with pytest.raises(ValueError, match="other candidates"):
        figures.differences(first, first.assign(candidates=20))


def test_evaluate_questions_by_kind(catalog):
    asked = [Question("Pizza tonight?", ("🍕",), "", "dev"), Question("A pink bird", ("🦩",), "", "dev")]
    found = evaluate_questions("x", lambda *_: [["🍕"], ["🍕"]], asked, catalog)
    values = {(f.kind, f.measure): f.value for f in found}
    assert values["known", "hit@1"] == 1
    assert values["unseen", "MRR@10"] == 0
    assert [f.kind for f in found] == sorted((f.kind for f in found), key=figures.KINDS.index)
