"""What was made fast gives the same answers: beside torch, from threads, after a fork, and nothing loads in vain."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

import qa_emoji.ranker
import qa_emoji.runtime
from qa_emoji import EmojiRanker, questions
from qa_emoji.encoder import TextEncoder, pad

MANY = 10_000


@pytest.fixture(scope="module")
def texts(catalog) -> list[str]:
    asked = [q.text for q in questions.load("data/questions.csv", catalog)]
    described = [text for e in catalog for text in (e.description, e.name, *e.keywords, f"{e.emoji} {e.name}!")]
    return list(dict.fromkeys(asked + described))[:MANY]


def test_answers_are_those_of_torch(ranker, texts):
    assert len(texts) == MANY
    model, tokenizer = TextEncoder.load()
    ids = [tokenizer.encode(text) for text in texts]
    order = sorted(range(MANY), key=lambda i: len(ids[i]))
    read = np.empty((MANY, model.config.code_dim + model.config.key_dim), dtype=np.float32)
    with torch.no_grad():
        for start in range(0, MANY, 500):
            part = order[start : start + 500]
            read[part] = model.vectors(model.hidden(model.features(pad([ids[i] for i in part])))).numpy()
    ours = ranker.encoder.read(texts)
    assert ours.pieces == ids
    np.testing.assert_allclose(np.concatenate([ours.codes, ours.keys], axis=1), read, atol=1e-5)
    reference = ranker.encode(texts)
    answers = [answer for answer in ranker.index.answers if answer.source != "generated"]
    place = {str(answer): i for i, answer in enumerate(answers)}
    scores = reference @ ranker.index.codes([answer.id for answer in answers]).T
    best = np.sort(scores, axis=1)[:, :-11:-1]
    table = ranker.rank_batch(texts, k=10)
    found = np.array([place[answer] for answer in table["answer"]]).reshape(MANY, 10)
    assert all(len(set(row)) == 10 for row in found.tolist())
    np.testing.assert_allclose(np.take_along_axis(scores, found, axis=1), best, atol=1e-5)
    np.testing.assert_allclose(table["score"].to_numpy().reshape(MANY, 10), best, atol=1e-5)


def told(ranker: EmojiRanker, texts: list[str]) -> list[list[tuple[str, float]]]:
    return [[(a.id, round(a.score, 4)) for a in ranker.rank(text, k=3)] for text in texts]


def test_eight_threads_get_the_same_answers(texts):
    shared = texts[:: MANY // 200]
    expected = told(EmojiRanker.load(), shared)
    fresh = EmojiRanker.load()  # whose tables the threads fill
    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(lambda _: told(fresh, shared), range(8)):
            assert answers == expected
        drawn = list(pool.map(lambda _: [a.id for a in fresh.draw(2, about="a party")], range(8)))
    assert drawn == [drawn[0]] * 8


def _after_fork(ranker: EmojiRanker, texts: list[str], answers) -> None:
    answers.put(
        (told(ranker, texts), len(ranker.rank_batch(texts * 99, k=2)), [a.id for a in ranker.draw(2, "a party")])
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_of_a_process_that_ranked_ranks_too(monkeypatch, texts):
    for module in (qa_emoji.ranker, qa_emoji.runtime):
        monkeypatch.setattr(module, "cores", lambda: 2)  # so that there are threads that a fork has not
    ranker = EmojiRanker.load()
    shared = texts[:50]
    expected = told(ranker, shared), len(ranker.rank_batch(shared * 99, k=2)), [a.id for a in ranker.draw(2, "a party")]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_after_fork, args=(ranker, shared, answers))
    child.start()
    try:
        assert answers.get(timeout=120) == expected
        child.join(timeout=60)
        assert child.exitcode == 0
    finally:
        child.kill()


def test_a_question_loads_no_more_than_it_needs():
    program = (
        "import sys; from qa_emoji.cli import main; main(['rank', 'hello'], standalone_mode=False); "
        "print(*sorted({'pandas', 'PIL', 'onnxruntime', 'tqdm', 'torch', 'sklearn', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_batches_at_once_leave_blas_its_threads(ranker):
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = threads()
    texts = [f"question {i}" for i in range(2_100)]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: ranker.rank_batch(texts, k=1), range(4)))
    assert threads() == before
    assert all(table.equals(tables[0]) for table in tables)
