from __future__ import annotations

import numpy as np
import pytest
import torch

from qa_emoji import losses


def cosine(a, b) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def log_softmax(values) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values - np.log(np.exp(values).sum())


@pytest.fixture
def codes(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(rng.normal(size=(6, 4)).astype(np.float32) for _ in range(3))


def test_triplet_hinge(codes):
    expected = np.mean([max(0, 0.2 - cosine(q, r) + cosine(q, w)) for q, r, w in zip(*codes, strict=True)])
    assert losses.triplet_hinge(*map(torch.from_numpy, codes), margin=0.2).item() == pytest.approx(expected, rel=1e-5)


def test_contrastive(codes):
    questions, answers, _ = codes
    accepted = np.zeros((6, 6), dtype=np.float32)
    accepted[0, 1] = 1
    accepted[2, [3, 4]] = 0.5  # the other rows say nothing
    rows = {i: log_softmax([cosine(questions[i], a) / 0.1 for a in answers]) for i in (0, 2)}
    expected = -(rows[0][1] + 0.5 * (rows[2][3] + rows[2][4])) / 2
    ours = losses.contrastive(*map(torch.from_numpy, (questions, answers, accepted)), 0.1)
    assert ours.item() == pytest.approx(expected, rel=1e-5)


def test_contrastive_of_nothing_is_zero(codes):
    questions, answers, _ = map(torch.from_numpy, codes)
    assert losses.contrastive(questions, answers, torch.zeros(6, 6), 0.1).item() == 0


def test_in_batch_targets_share_among_all_that_are_accepted():
    accepted = torch.tensor([[0.5, 0.5, 0], [1, 0, 0], [0, 0, 1.0]])
    targets = losses.in_batch_targets(torch.tensor([1, 0, 2]), accepted)
    assert targets.tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]


def test_distillation(codes, rng):
    questions, answers, _ = codes
    teacher = rng.uniform(-1, 1, size=(6, 6)).astype(np.float32)
    expected = -np.mean(
        [
            np.exp(log_softmax(row / 0.05)) @ log_softmax([cosine(q, a) / 0.1 for a in answers])
            for q, row in zip(questions, teacher.astype(float), strict=True)
        ]
    )
    ours = losses.distillation(*map(torch.from_numpy, (questions, answers, teacher)), 0.1, 0.05)
    assert ours.item() == pytest.approx(expected, rel=1e-4)
