"""The siamese training loop: questions and answers' texts through one encoder, towards the frozen codes of the VAE."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qa_emoji.catalog import Emoji
from qa_emoji.corpora import Pair
from qa_emoji.encoder import TextEncoder, TextEncoderConfig, pad
from qa_emoji.losses import contrastive, distillation, in_batch_targets, triplet_hinge
from qa_emoji.tokenizer import Tokenizer
from vae.optimization import Checkpoint, digest, one_cycle

log = logging.getLogger(__name__)

MOST_KEYWORDS = 8  # of an answer's text in training


@dataclass(frozen=True)
class TextTrainingConfig:
    """How to train.

    ``loss`` is "contrastive" (softmax over the answers' texts in the batch, and over all known answers) or "triplet"
    (the seed's hinge against one wrong known answer each). ``mixture`` gives the share of each corpus in a batch.

    A known answer's code is fused of its frozen image code and the code of its name, in shares drawn anew at each step
    from ``image_shares``: so the encoder learns to be found by image, by name and by both, as unseen emojis will be.
    ``bfloat16`` computes the encoder's layers in that precision.
    Names outside the batch keep the code that was last computed, every ``refresh`` steps at least.
    """

    steps: int = 4_000
    batch_size: int = 256
    learning_rate: float = 1e-2
    temperature: float = 0.08
    loss: str = "contrastive"
    margin: float = 0.2
    siamese_weight: float = 0.5
    siamese_batch: int = 64
    image_shares: tuple[float, ...] = (0.6, 0.3, 0.3, 0.0)
    refresh: int = 100
    distillation_weight: float = 1.0
    teacher_temperature: float = 0.03
    mixture: tuple[tuple[str, float], ...] = (
        ("keywords", 0.30),
        ("questions", 0.12),
        ("tweets", 0.18),
        ("comments", 0.05),
        ("unlabelled", 0.35),
    )
    bfloat16: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Corpus:
    """Pairs of one kind with the teacher's unit vectors of their texts, (n, d), or none.

    ``balanced`` draws a pair less often the more pairs bear its emoji, by the square root of their number.
    """

    pairs: Sequence[Pair]
    teacher: np.ndarray | None = None
    balanced: bool = False

    def chances(self) -> np.ndarray | None:
        """How often to draw each pair, (n,) summing to 1; None when all are equal."""
        if not self.balanced:
            return None
        counts = Counter(pair.emojis for pair in self.pairs)
        chances = np.array([counts[pair.emojis] ** -0.5 for pair in self.pairs])
        return chances / chances.sum()


@dataclass(frozen=True)
class _Batch:
    ids: list[list[int]]  # pieces of each of n texts
    accepted: Tensor  # (n, m): how the target is shared among known emojis; rows of zeros have no label
    labelled: np.ndarray  # the rows that have one, in random order
    answers: np.ndarray  # an accepted known emoji of each of the first of those rows, for the in-batch loss
    taught: np.ndarray  # which texts the teacher has read
    teacher: Tensor | None  # (taught, m): its cosines


class _Batches:
    """Random batches of tokenised texts with their accepted known emojis and the teacher's cosines."""

    def __init__(
        self, corpora: dict[str, Corpus], known: Sequence[Emoji], tokenizer: Tokenizer, known_teacher: np.ndarray | None
    ):
        self.column = {e.emoji: i for i, e in enumerate(known)}
        self.ids = {name: [tokenizer.encode(p.text) for p in corpus.pairs] for name, corpus in corpora.items()}
        self.labels = {
            name: [[self.column[e] for e in p.emojis] for p in corpus.pairs] for name, corpus in corpora.items()
        }
        self.teacher = {name: corpus.teacher for name, corpus in corpora.items()}
        self.chances = {name: corpus.chances() for name, corpus in corpora.items()}
        self.known_teacher = known_teacher

    def draw(self, config: TextTrainingConfig, generator: np.random.Generator) -> _Batch:
        """A batch of the configured mixture."""
        ids: list[list[int]] = []
        labels: list[list[int]] = []
        taught: list[int] = []
        vectors: list[np.ndarray] = []
        for name, share in config.mixture:
            rows = generator.choice(len(self.ids[name]), size=round(share * config.batch_size), p=self.chances[name])
            if (teacher := self.teacher[name]) is not None and self.known_teacher is not None:
                taught += range(len(ids), len(ids) + len(rows))
                vectors.append(teacher[rows])
            ids += [self.ids[name][i] for i in rows]
            labels += [self.labels[name][i] for i in rows]
        accepted = torch.zeros(len(ids), len(self.column))
        for row, columns in enumerate(labels):
            if columns:
                accepted[row, columns] = 1 / len(columns)
        labelled = generator.permutation([row for row, columns in enumerate(labels) if columns])
        answers = np.array([generator.choice(labels[row]) for row in labelled[: config.siamese_batch]])
        cosines = None
        if vectors and self.known_teacher is not None:
            cosines = torch.from_numpy(np.concatenate(vectors).astype(np.float32) @ self.known_teacher.T)
        return _Batch(ids, accepted, labelled, answers, np.array(taught), cosines)


def encode_ragged(model: TextEncoder, ids: Sequence[Sequence[int]], parts: int = 4) -> Tensor:
    """Codes of texts of mixed length, (n, 16), in the order given: encoded in parts of like length to save padding."""
    order = np.argsort([len(row) for row in ids], kind="stable")
    features = [model.features(pad([ids[i] for i in part])) for part in np.array_split(order, parts) if len(part)]
    return model.head(torch.cat(features)[torch.from_numpy(np.argsort(order, kind="stable"))])


def train(
    corpora: dict[str, Corpus],
    known: Sequence[Emoji],
    known_codes: np.ndarray,
    tokenizer: Tokenizer,
    *,
    model_config: TextEncoderConfig,
    config: TextTrainingConfig = TextTrainingConfig(),
    known_teacher: np.ndarray | None = None,
    checkpoint: str | Path | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> TextEncoder:
    """Train a text encoder.

    Args:
        corpora: texts by the names in ``config.mixture``.
        known: the base forms that may be answers in training, all of them known.
        known_codes: (m, 16) their frozen image codes.
        known_teacher: (m, d) the teacher's unit vectors of their descriptions, if there is a teacher.
        checkpoint: a file to save the state to and to resume from.
        on_step: called with the number of steps done and the losses of the last.

    Raises ValueError when an unseen emoji is among ``known``.
    """
    if not all(e.known and e.is_base_form for e in known):
        raise ValueError("Only known base forms may be trained on.")
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # the layers' initial values, which torch draws from its global generator
        model = TextEncoder(model_config)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    saved = None
    if checkpoint:
        texts_digest = digest(*(pair.text.encode("utf-8", "replace") for c in corpora.values() for pair in c.pairs))
        data = {"codes": digest(known_codes.tobytes()), "texts": texts_digest}
        saved = Checkpoint(checkpoint, dataclasses.asdict(config) | dataclasses.asdict(model_config) | data)
    done = saved.resume(model, optimizer) if saved else 0
    batches = _Batches(corpora, known, tokenizer, known_teacher)
    images = torch.from_numpy(known_codes)
    names = torch.zeros_like(images)
    for step in range(done, config.steps):
        if step % config.refresh == 0 or step == done:
            names = _name_codes(model, known, tokenizer)
        draw = np.random.default_rng([config.seed, step])
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(step, config.steps, config.learning_rate, warm_up=0.1)
        batch = batches.draw(config, draw)
        texts = [_answer_ids(known[a], tokenizer, draw) for a in batch.answers]
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * config.steps + step)  # dropout, which draws from torch's global generator
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                encoded = encode_ragged(model.train(), batch.ids + texts).float()
        questions, answer_texts = encoded[: len(batch.ids)], F.normalize(encoded[len(batch.ids) :])
        once, first = np.unique(batch.answers, return_index=True)
        names = names.index_copy(0, torch.from_numpy(once), answer_texts[first])
        shares = torch.from_numpy(draw.choice(config.image_shares, size=(len(known), 1)).astype(np.float32))
        losses = _losses(batch, questions, answer_texts, shares * images + (1 - shares) * names, config, draw)
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        names = names.detach()
        if saved and (step + 1) % config.refresh == 0:
            saved.save(step + 1, model, optimizer)
        if on_step:
            on_step(step + 1, {name: value.item() for name, value in losses.items()})
    return model.eval()


def _name_codes(model: TextEncoder, known: Sequence[Emoji], tokenizer: Tokenizer) -> Tensor:
    with torch.no_grad():
        return F.normalize(encode_ragged(model.eval(), [tokenizer.encode(e.description) for e in known]))


def _losses(
    batch: _Batch,
    questions: Tensor,
    answer_texts: Tensor,
    codes: Tensor,
    config: TextTrainingConfig,
    draw: np.random.Generator,
) -> dict[str, Tensor]:
    asked, accepted = questions[batch.labelled], batch.accepted[batch.labelled]
    right, n = torch.from_numpy(batch.answers), len(batch.answers)
    losses = {}
    if config.loss == "triplet":
        generator = torch.Generator().manual_seed(int(draw.integers(2**63)))
        wrong = (accepted[:n] == 0).float().multinomial(1, generator=generator).squeeze(1)
        losses["triplet"] = triplet_hinge(asked[:n], codes[right], codes[wrong], config.margin)
    elif config.loss == "contrastive":
        targets = in_batch_targets(right, accepted[:n])
        losses["in-batch"] = config.siamese_weight * contrastive(asked[:n], answer_texts, targets, config.temperature)
        losses["all known"] = contrastive(asked, codes, accepted, config.temperature)
    else:
        raise ValueError(f"loss should be 'contrastive' or 'triplet', not {config.loss!r}.")
    if batch.teacher is not None:
        losses["distillation"] = config.distillation_weight * distillation(
            questions[batch.taught], codes, batch.teacher, config.temperature, config.teacher_temperature
        )
    return losses


def _answer_ids(emoji: Emoji, tokenizer: Tokenizer, draw: np.random.Generator) -> list[int]:
    """Pieces of an answer's text: its name and some of its keywords, as an emoji not met before would come."""
    most = min(len(emoji.keywords), MOST_KEYWORDS)
    keywords = draw.choice(emoji.keywords, size=draw.integers(most + 1), replace=False) if most else ()
    return tokenizer.encode(dataclasses.replace(emoji, keywords=tuple(keywords)).description)
