"""Losses between codes of questions and codes of answers. All take raw codes and compare by cosine."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def triplet_hinge(question: Tensor, right: Tensor, wrong: Tensor, margin: float = 0.2) -> Tensor:
    """max(0, margin - cos(q, a+) + cos(q, a-)), averaged over n triplets of (n, 16) codes (Feng et al. 2015)."""
    gap = F.cosine_similarity(question, right) - F.cosine_similarity(question, wrong)
    return F.relu(margin - gap).mean()


def contrastive(
    questions: Tensor, answers: Tensor, accepted: Tensor, temperature: float, ignored: Tensor | None = None
) -> Tensor:
    """Cross-entropy of each question's accepted answers among all answers at hand, the softmax of cosines.

    With the answers of a batch it is the in-batch contrastive loss (van den Oord et al. 2018, arXiv 1807.03748); with
    all known answers, a classification by cosine.

    Args:
        questions: (n, 16) codes.
        answers: (m, 16) codes.
        accepted: (n, m), how the mass of each question's target is shared; rows sum to 1, or to 0 for a question
            that says nothing here.
        temperature: what cosines are divided by.
        ignored: (n, m) bool, answers that are neither right nor wrong for a question.
    """
    logits = F.normalize(questions) @ F.normalize(answers).T / temperature  # (n, m)
    if ignored is not None:
        logits = logits.masked_fill(ignored, -1e9)
    return -(accepted * F.log_softmax(logits, dim=1)).sum() / accepted.sum().clamp_min(1)


def in_batch_targets(emojis: Tensor, accepted: Tensor) -> Tensor:
    """The targets of `contrastive` when the answers are those of the batch itself.

    Args:
        emojis: (n,) the index of the emoji that each row of the batch brings as its answer.
        accepted: (n, m) which of all m emojis each question accepts.

    Returns:
        (n, n), rows that sum to 1: every answer in the batch that the question accepts is right, not only its own.
    """
    right = (accepted[:, emojis] > 0).float()
    return right / right.sum(1, keepdim=True)


def distillation(
    questions: Tensor, answers: Tensor, teacher: Tensor, temperature: float, teacher_temperature: float = 0.03
) -> Tensor:
    """Cross-entropy with a teacher's ranking of the answers (Hinton et al. 2015, arXiv 1503.02531).

    Args:
        questions, answers: (n, 16) and (m, 16) codes.
        teacher: (n, m) the teacher's cosines.
        temperature: what our cosines are divided by.
        teacher_temperature: the same for the teacher's; much above 0.03 its choice is nearly uniform.
    """
    return contrastive(questions, answers, torch.softmax(teacher / teacher_temperature, dim=1), temperature)
