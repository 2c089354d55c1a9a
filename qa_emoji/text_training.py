"""Training of a text encoder whose answers are texts too: one set of weights for both sides, no picture anywhere.

First the encoder learns what texts mean from a sentence-embedding teacher, then which candidates answer a question.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from qa_emoji.encoder import TextEncoder
from qa_emoji.losses import contrastive
from qa_emoji.tokenizer import Tokenizer
from qa_emoji.training import encode_ragged
from qa_emoji.wikiqa import Selection, average_precision
from vae.optimization import Checkpoint, digest, one_cycle

SAVED_EVERY = 100  # steps


@dataclass(frozen=True)
class DistillationConfig:
    """How to learn from the teacher: each text is to lie at its own vector, nearer than at those of the batch."""

    steps: int = 2_500
    batch_size: int = 160
    learning_rate: float = 4e-3
    temperature: float = 0.05
    contrast: float = 0.1
    bfloat16: bool = True
    seed: int = 0


@dataclass(frozen=True)
class FittingConfig:
    """How to learn from questions: ``candidates`` of each at random, every right one among them, in each epoch."""

    epochs: int = 4
    candidates: int = 8
    batch_size: int = 16
    learning_rate: float = 5e-4
    temperature: float = 0.08
    bfloat16: bool = True
    seed: int = 0


class Projection:
    """The teacher's vectors in fewer dimensions, all of like variance: principal components, turned at random."""

    def __init__(self, vectors: np.ndarray, dim: int, generator: np.random.Generator):
        self.mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        covariance = np.cov(vectors, rowvar=False)
        _, directions = np.linalg.eigh(covariance)  # by rising variance
        turn, _ = np.linalg.qr(generator.normal(size=(dim, dim)))
        self.directions = (directions[:, -dim:] @ turn).astype(np.float32)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(n, 384) -> (n, dim), float32."""
        return (vectors.astype(np.float32) - self.mean) @ self.directions


def start_from(model: TextEncoder, other: TextEncoder) -> None:
    """Copy each tensor that another encoder has in the same shape: all but the last when codes differ in size."""
    mine = model.state_dict()
    model.load_state_dict(
        mine | {name: value for name, value in other.state_dict().items() if value.shape == mine[name].shape}
    )


def distil(
    model: TextEncoder,
    ids: Sequence[Sequence[int]],
    targets: np.ndarray,
    config: DistillationConfig = DistillationConfig(),
    *,
    checkpoint: str | Path | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> TextEncoder:
    """Teach the encoder, in place, where texts lie.

    Args:
        ids: the pieces of n texts.
        targets: (n, d) where the teacher puts them, d being the length of a code.
        checkpoint: a file to save the state to and to resume from; it stays when all is done.
        on_step: called with the number of steps done and the loss of the last.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    saved, done = None, 0
    if checkpoint:
        data = {"texts": digest(np.concatenate([*map(np.asarray, ids)]).tobytes(), targets.tobytes())}
        saved = Checkpoint(checkpoint, dataclasses.asdict(config) | dataclasses.asdict(model.config) | data)
        done = saved.resume(model, optimizer)
    order = np.argsort([len(row) for row in ids], kind="stable")
    for step in range(done, config.steps):
        draw = np.random.default_rng([config.seed, step])
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(step, config.steps, config.learning_rate, warm_up=0.1)
        rows = order[np.sort(draw.choice(len(order), min(config.batch_size, len(order)), replace=False))]
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * config.steps + step)
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                codes = encode_ragged(model.train(), [ids[i] for i in rows]).float()
        there = torch.from_numpy(targets[rows].astype(np.float32))
        nearest = contrastive(codes, there, torch.eye(len(rows)), config.temperature)
        loss = (1 - F.cosine_similarity(codes, there)).mean() + config.contrast * nearest
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if saved and ((step + 1) % SAVED_EVERY == 0 or step + 1 == config.steps):
            saved.save(step + 1, model, optimizer)
        if on_step:
            on_step(step + 1, {"distillation": loss.item()})
    return model.eval()


def fit(
    model: TextEncoder,
    tokenizer: Tokenizer,
    selections: Sequence[Selection],
    held_out: Sequence[Selection],
    config: FittingConfig = FittingConfig(),
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> TextEncoder:
    """Teach the encoder, in place, which candidates of the batch, its own and other questions', answer a question.

    After each epoch it is judged by the MAP on held-out questions; the best state is kept, the first one included.
    ``on_epoch`` is called with the number of epochs done and that MAP.
    """
    ids = [[tokenizer.encode(text) for text in (s.question, *s.candidates)] for s in selections]
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    best, kept = mean_average_precision(model, tokenizer, held_out), copy.deepcopy(model.state_dict())
    batches = -(-len(ids) // config.batch_size)
    for epoch in range(config.epochs):
        draw = np.random.default_rng([config.seed, epoch])
        order = draw.permutation(len(ids))
        for at, rows in enumerate(np.array_split(order, batches)):
            step = epoch * batches + at
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, config.epochs * batches, config.learning_rate, warm_up=0.1)
            chosen = [_some(selections[i].right, config.candidates, draw) for i in rows]
            answers = [ids[i][1 + c] for i, places in zip(rows, chosen, strict=True) for c in places]
            texts = [ids[i][0] for i in rows] + answers
            with torch.random.fork_rng():
                torch.manual_seed(config.seed * config.epochs * batches + step)
                with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                    codes = encode_ragged(model.train(), texts).float()
            right = [np.array(selections[i].right)[places] for i, places in zip(rows, chosen, strict=True)]
            accepted = torch.block_diag(*(torch.from_numpy(row.astype(np.float32))[None] for row in right))
            accepted /= accepted.sum(1, keepdim=True)
            loss = contrastive(codes[: len(rows)], codes[len(rows) :], accepted, config.temperature)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        reached = mean_average_precision(model, tokenizer, held_out)
        if reached > best:
            best, kept = reached, copy.deepcopy(model.state_dict())
        if on_epoch:
            on_epoch(epoch + 1, {"held-out MAP": reached})
    model.load_state_dict(kept)
    return model.eval()


def _some(right: Sequence[bool], most: int, draw: np.random.Generator) -> np.ndarray:
    """The places of all right candidates and of random wrong ones, ``most`` together where there are so many."""
    places, is_right = draw.permutation(len(right)), np.array(right)
    wrong = places[~is_right[places]]
    return np.concatenate([np.flatnonzero(is_right), wrong[: max(0, most - is_right.sum())]])


def cosines(model: TextEncoder, tokenizer: Tokenizer, selections: Sequence[Selection]) -> list[np.ndarray]:
    """The cosine of each question to each of its candidates."""
    texts = [text for s in selections for text in (s.question, *s.candidates)]
    with torch.no_grad():
        codes = F.normalize(encode_ragged(model.eval(), [tokenizer.encode(text) for text in texts], parts=16))
    parts = codes.split([1 + len(s.candidates) for s in selections])
    return [(part[1:] @ part[0]).numpy() for part in parts]


def mean_average_precision(model: TextEncoder, tokenizer: Tokenizer, selections: Sequence[Selection]) -> float:
    """The MAP of an encoder."""
    return float(average_precision(cosines(model, tokenizer, selections), selections).mean())
