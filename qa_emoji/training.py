"""The siamese training loop: questions and answers' texts through one encoder, towards the frozen codes of the VAE."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from qa_emoji import distributed
from qa_emoji.answer import emoji_id
from qa_emoji.catalog import Emoji
from qa_emoji.corpora import Pair
from qa_emoji.encoder import TextEncoder, TextEncoderConfig, pad
from qa_emoji.losses import contrastive, distillation, in_batch_targets, triplet_hinge
from qa_emoji.tokenizer import Tokenizer
from vae.optimization import Checkpoint, digest, one_cycle

MOST_KEYWORDS = 8  # of an answer's text in training
STAND_INS = "stand-ins"  # the corpus of concepts that stand in for emojis to come


@dataclass(frozen=True)
class TextTrainingConfig:
    """How to train.

    ``loss`` is "contrastive" (softmax over the answers' texts in the batch, and over all known answers) or "triplet"
    (the seed's hinge against one wrong known answer each). ``mixture`` gives the share of each corpus in a batch.

    A known answer's code is fused of its frozen image code and the code of its name, in shares drawn anew at each step
    from ``image_shares``: so the encoder learns to be found by image, by name and by both, as unseen emojis will be.
    Names outside the batch keep the code that was last computed, every ``refresh`` steps at least.

    The same losses, with ``key_temperature``, teach keys: a known answer's is the key of its name, to which the vector
    that the encoder keeps of it is added in a share ``own_share`` of the steps, so that names alone find answers too.

    ``stand_ins`` concepts, dressed as emojis, are candidates beside the known answers in each step, half of them near
    the questions: they stand for emojis to come, which no question is pushed away from otherwise. A text that mentions
    a concept is labelled with its stand-in, which is then among the candidates. A candidate whose cosine to a labelled
    question, or to the stand-in that is its label, is above ``alike`` for the teacher is not counted as wrong.

    ``regression_weight`` is that of guessing the teacher's vector from the hidden layer, ``embedding_learning_rate``
    that of the embedding, which sets out with meanings. ``bfloat16`` computes the encoder's layers in that precision.
    """

    steps: int = 14_000
    batch_size: int = 352
    learning_rate: float = 5e-3
    embedding_learning_rate: float = 2e-3
    temperature: float = 0.1
    key_temperature: float = 0.06
    own_share: float = 0.7
    loss: str = "contrastive"
    margin: float = 0.2
    siamese_weight: float = 0.5
    siamese_batch: int = 96
    stand_ins: int = 256
    alike: float = 0.45
    regression_weight: float = 1.0
    image_shares: tuple[float, ...] = (0.6, 0.3, 0.3, 0.0)
    refresh: int = 200
    distillation_weight: float = 1.0
    teacher_temperature: float = 0.03
    mixture: tuple[tuple[str, float], ...] = (
        ("keywords", 0.14),
        ("typos", 0.03),
        ("questions", 0.26),
        ("tweets", 0.12),
        ("comments", 0.03),
        ("unlabelled", 0.08),
        ("examples", 0.04),
        ("definitions", 0.06),
        ("stand-ins", 0.03),
        ("mentions", 0.15),
        ("fragments", 0.06),
    )
    bfloat16: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Corpus:
    """Pairs of one kind with the teacher's unit vectors of their texts, (n, d), or none.

    ``balanced`` draws a pair less often the more pairs bear its emoji, by their number to the power of 3/4.
    """

    pairs: Sequence[Pair]
    teacher: np.ndarray | None = None
    balanced: bool = False

    def chances(self) -> np.ndarray | None:
        """How often to draw each pair, (n,) summing to 1; None when all are equal."""
        if not self.balanced:
            return None
        counts = Counter(pair.emojis for pair in self.pairs)
        chances = np.array([counts[pair.emojis] ** -0.75 for pair in self.pairs])
        return chances / chances.sum()


class Neighbourhoods:
    """Texts by what the teacher makes of them: k-means over its unit vectors, (n, d)."""

    def __init__(self, vectors: np.ndarray, *, size: int = 64, seed: int = 0):
        """``size`` is how many texts a neighbourhood has on average."""
        import faiss

        self.vectors = vectors.astype(np.float32)
        clusters = max(1, len(vectors) // size)
        self._means = faiss.Kmeans(
            vectors.shape[1], clusters, niter=8, seed=seed, spherical=True, max_points_per_centroid=64
        )
        self._means.train(self.vectors)
        of = self._means.index.search(self.vectors, 1)[1][:, 0]
        self._members = np.argsort(of, kind="stable")
        self._starts = np.searchsorted(of[self._members], np.arange(clusters + 1))

    def draw(self, near: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
        """n rows, half of them from the neighbourhoods of some of the vectors ``near``, (m, d), half from anywhere."""
        clusters = self._means.index.search(generator.choice(near, size=n // 2), 1)[1][:, 0]
        first, past = self._starts[clusters], self._starts[clusters + 1]
        at = (first + (past - first) * generator.random(len(clusters))).astype(int)
        local = self._members[np.minimum(at, len(self._members) - 1)]
        return np.concatenate([local, generator.integers(len(self.vectors), size=n - len(local))])


@dataclass(frozen=True)
class _Batch:
    ids: list[list[int]]  # pieces of each of n texts
    accepted: Tensor  # (n, m + s): how the target is shared among known emojis and stand-ins; of zeros without a label
    labelled: np.ndarray  # the rows that have one, those labelled with emojis first and in random order
    answers: np.ndarray  # an accepted known emoji of each of the first of those rows, for the in-batch loss
    alike: Tensor  # (n, m + s) bool: candidates that are too much like the text to be wrong
    stand_ins: list[list[int]]  # pieces of s concepts that are candidates too
    taught: np.ndarray  # which texts the teacher has read
    vectors: Tensor  # (taught, d): the teacher's vectors of those
    teacher: Tensor  # (taught, m + s): its cosines of those to known emojis and stand-ins


class _Batches:
    """Random batches of tokenised texts with their accepted known emojis and the teacher's cosines."""

    def __init__(
        self,
        corpora: dict[str, Corpus],
        known: Sequence[Emoji],
        tokenizer: Tokenizer,
        known_teacher: np.ndarray | None,
        neighbourhoods: Neighbourhoods | None,
    ):
        self.column = {e.emoji: i for i, e in enumerate(known)}
        self.ids = {name: [tokenizer.encode(p.text) for p in corpus.pairs] for name, corpus in corpora.items()}
        self.labels = {
            name: [[self.column[e] for e in p.emojis] for p in corpus.pairs] for name, corpus in corpora.items()
        }
        concepts = {p.text: i for i, p in enumerate(corpora[STAND_INS].pairs)} if neighbourhoods else {}
        self.concepts = {name: [concepts.get(p.concept, -1) for p in corpus.pairs] for name, corpus in corpora.items()}
        self.teacher = {name: corpus.teacher for name, corpus in corpora.items()}
        self.chances = {name: corpus.chances() for name, corpus in corpora.items()}
        self.known_teacher = known_teacher
        self.neighbourhoods = neighbourhoods

    def draw(self, config: TextTrainingConfig, generator: np.random.Generator) -> _Batch:
        """A batch of the configured mixture."""
        ids: list[list[int]] = []
        labels: list[list[int]] = []
        concepts: list[int] = []
        taught: list[int] = []
        vectors: list[np.ndarray] = [np.zeros((0, 0 if self.known_teacher is None else self.known_teacher.shape[1]))]
        for name, share in config.mixture:
            rows = generator.choice(len(self.ids[name]), size=round(share * config.batch_size), p=self.chances[name])
            if (teacher := self.teacher[name]) is not None and self.known_teacher is not None:
                taught += range(len(ids), len(ids) + len(rows))
                vectors.append(teacher[rows])
            ids += [self.ids[name][i] for i in rows]
            labels += [self.labels[name][i] for i in rows]
            concepts += [self.concepts[name][i] for i in rows]
        read = np.concatenate(vectors, dtype=np.float32)
        of_emojis = generator.permutation([row for row, columns in enumerate(labels) if columns])
        of_concepts = np.flatnonzero(np.array(concepts) >= 0)[: config.stand_ins]
        asked, place = np.unique(np.array(concepts)[of_concepts], return_inverse=True)
        stand_ins = self._stand_ins(asked, read, config.stand_ins, generator)
        candidates = self._vectors(stand_ins)
        cosines = torch.from_numpy(read @ candidates.T)
        first = len(self.column)
        accepted = torch.zeros(len(ids), first + len(stand_ins))
        for row, columns in enumerate(labels):
            if columns:
                accepted[row, columns] = 1 / len(columns)
        accepted[of_concepts, first + place] = 1
        alike = torch.zeros(accepted.shape, dtype=torch.bool)
        if len(stand_ins):
            alike[taught, first:] = cosines[:, first:] > config.alike
            alike[of_concepts] |= torch.from_numpy(candidates[first + place] @ candidates.T > config.alike)
        return _Batch(
            ids=ids,
            accepted=accepted,
            labelled=np.concatenate([of_emojis, of_concepts]).astype(int),
            answers=np.array([generator.choice(labels[row]) for row in of_emojis[: config.siamese_batch]]),
            alike=alike & (accepted == 0),
            stand_ins=[self.ids[STAND_INS][i] for i in stand_ins],
            taught=np.array(taught, dtype=int),
            vectors=torch.from_numpy(read),
            teacher=cosines,
        )

    def _stand_ins(self, asked: np.ndarray, near: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
        """At most n stand-ins: those asked for first, then others near what was asked, and from anywhere."""
        if self.neighbourhoods is None:
            return asked
        others = self.neighbourhoods.draw(near, n - len(asked), generator) if len(asked) < n else asked
        return np.concatenate([asked, np.setdiff1d(others, asked)])

    def _vectors(self, stand_ins: np.ndarray) -> np.ndarray:
        """The teacher's vectors of all candidates: known emojis, and these stand-ins."""
        if self.known_teacher is None:
            return np.zeros((len(self.column), 0), dtype=np.float32)
        if self.neighbourhoods is None:
            return self.known_teacher
        return np.concatenate([self.known_teacher, self.neighbourhoods.vectors[stand_ins]])


def encode_ragged(model: TextEncoder, ids: Sequence[Sequence[int]], parts: int = 4) -> Tensor:
    """Codes of texts of mixed length, (n, 16), in the order given: encoded in parts of like length to save padding."""
    return model.head(features_of(model, ids, parts))


def features_of(model: TextEncoder, ids: Sequence[Sequence[int]], parts: int) -> Tensor:
    """What texts of mixed length have in them, (n, filters x widths + E), as `encode_ragged`."""
    order = np.argsort([len(row) for row in ids], kind="stable")
    features = [model.features(pad([ids[i] for i in part])) for part in np.array_split(order, parts) if len(part)]
    return torch.cat(features)[torch.from_numpy(np.argsort(order, kind="stable"))]


class _Pass(nn.Module):
    """An encoder, and what guesses the teacher's vectors from its hidden layer, over a batch."""

    def __init__(self, model: TextEncoder, guess: nn.Linear):
        super().__init__()
        self.model, self.guess = model, guess

    def forward(self, ids: Sequence[Sequence[int]], taught: np.ndarray) -> tuple[Tensor, Tensor]:
        """Unit codes and keys of n texts, (n, 16 + K), and guesses for the taught ones, (taught, d)."""
        features = distributed.together(features_of(self.model, distributed.part(ids), parts=6), len(ids))
        hidden = self.model.hidden(features)
        return self.model.vectors(hidden), self.guess(hidden[taught]).float()


def train(
    corpora: dict[str, Corpus],
    known: Sequence[Emoji],
    known_codes: np.ndarray,
    tokenizer: Tokenizer,
    *,
    model_config: TextEncoderConfig,
    config: TextTrainingConfig = TextTrainingConfig(),
    known_teacher: np.ndarray | None = None,
    piece_vectors: np.ndarray | None = None,
    checkpoint: str | Path | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> TextEncoder:
    """Train a text encoder; among several processes (`qa_emoji.distributed`), each of which returns the same.

    Args:
        corpora: texts by the names in ``config.mixture``.
        known: the base forms that may be answers in training, all of them known.
        known_codes: (m, 16) their frozen image codes.
        known_teacher: (m, d) the teacher's unit vectors of their descriptions, if there is a teacher.
        piece_vectors: (V, E) float32 what the embedding sets out with; drawn at random when not given.
        checkpoint: a file to save the state to and to resume from.
        on_step: called with the number of steps done and the losses of the last.

    Raises ValueError when an unseen emoji is among ``known``, or ``model_config`` names other emojis.
    """
    if not all(e.known and e.is_base_form for e in known):
        raise ValueError("Only known base forms may be trained on.")
    if model_config.emojis not in ((), tuple(emoji_id(e.emoji) for e in known)):
        raise ValueError("The emojis that an encoder keeps vectors of should be those that it is trained on.")
    dim = 1 if known_teacher is None else known_teacher.shape[1]
    model, guess = _new(model_config, dim, config.seed)
    if piece_vectors is not None:
        model.start_from(torch.from_numpy(piece_vectors), torch.tensor(tokenizer.log_probabilities))
    trained, optimizer = _Pass(model, guess), _optimizer(model, guess)
    settings = dataclasses.asdict(config) | dataclasses.asdict(model_config)
    saved = Checkpoint(checkpoint, settings | _digests(corpora, known_codes)) if checkpoint else None
    done = saved.resume(trained, optimizer) if saved else 0
    run = DistributedDataParallel(trained, broadcast_buffers=False) if dist.is_initialized() else trained
    uses_stand_ins = config.stand_ins and STAND_INS in corpora and known_teacher is not None
    stand_ins = corpora[STAND_INS].teacher if uses_stand_ins else None
    near = None if stand_ins is None else Neighbourhoods(stand_ins, seed=config.seed)
    batches = _Batches(corpora, known, tokenizer, known_teacher, near)
    images = torch.from_numpy(known_codes)
    names = torch.zeros(len(known), model_config.code_dim + model_config.key_dim)
    for step in range(done, config.steps):
        if step % config.refresh == 0 or step == done:
            names = _name_vectors(model, known, tokenizer)
        draw = np.random.default_rng([config.seed, step])
        rates = config.learning_rate, config.embedding_learning_rate
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = one_cycle(step, config.steps, rate, warm_up=0.1)
        batch = batches.draw(config, draw)
        texts = [_answer_ids(known[a], tokenizer, draw) for a in batch.answers]
        with torch.random.fork_rng():
            torch.manual_seed(config.seed * config.steps + step)  # dropout, which draws from torch's global generator
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                encoded, guessed = run.train()(batch.ids + texts + batch.stand_ins, batch.taught)
        questions, answers, others = encoded.split([len(batch.ids), len(texts), len(batch.stand_ins)])
        once, first = np.unique(batch.answers, return_index=True)
        names = names.index_copy(0, torch.from_numpy(once), answers[first])
        candidates = _candidates(names, others, images, model, config, draw)
        losses = _losses(batch, model.apart(questions), model.apart(answers), candidates, config, draw)
        losses["regression"] = config.regression_weight * (1 - F.cosine_similarity(guessed, batch.vectors)).sum()
        losses["regression"] /= max(1, len(guessed))
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        names = names.detach()
        if saved and (step + 1) % config.refresh == 0 and distributed.is_first():
            saved.save(step + 1, trained, optimizer)
        if on_step:
            on_step(step + 1, {name: value.item() for name, value in losses.items()})
    return model.eval()


def _digests(corpora: dict[str, Corpus], codes: np.ndarray) -> dict[str, str]:
    texts = (pair.text.encode("utf-8", "replace") for corpus in corpora.values() for pair in corpus.pairs)
    return {"codes": digest(codes.tobytes()), "texts": digest(*texts)}


def _new(config: TextEncoderConfig, dim: int, seed: int) -> tuple[TextEncoder, nn.Linear]:
    """An encoder, and what guesses the teacher's vector from its hidden layer."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # the layers' initial values, which torch draws from its global generator
        return TextEncoder(config), nn.Linear(config.hidden_dim, dim)


def _optimizer(model: TextEncoder, guess: nn.Linear) -> torch.optim.Adam:
    """Of two groups, the layers and what is kept of each piece."""
    pieces = [model.embedding.weight, model.salience.weight]
    tables = {id(table) for table in pieces}
    layers = [p for p in nn.ModuleList([model, guess]).parameters() if id(p) not in tables]
    groups: list[dict[str, Any]] = [{"params": layers}, {"params": pieces}]
    return torch.optim.Adam(groups)


def _name_vectors(model: TextEncoder, known: Sequence[Emoji], tokenizer: Tokenizer) -> Tensor:
    """Codes and keys of names, side by side, (m, 16 + K)."""
    with torch.no_grad():
        ids = [tokenizer.encode(e.description) for e in known]
        return model.vectors(model.eval().hidden(features_of(model, ids, parts=4)))


def _candidates(
    names: Tensor,
    others: Tensor,
    images: Tensor,
    model: TextEncoder,
    config: TextTrainingConfig,
    draw: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Codes (m + s, 16) and keys (m + s, K) of known emojis and stand-ins, in shares drawn anew, from the vectors of
    their names, (m, 16 + K) and (s, 16 + K), and the emojis' image codes, (m, 16); a stand-in looks like any emoji."""
    looks = torch.cat([images, images[torch.from_numpy(draw.integers(len(images), size=len(others)))]])
    shares = torch.from_numpy(draw.choice(config.image_shares, size=(len(looks), 1)).astype(np.float32))
    codes, keys = model.apart(torch.cat([names, others]))
    if model.emojis is not None:
        own = torch.from_numpy(draw.random((len(names), 1)) < config.own_share) * model.emojis
        keys = keys + F.pad(own, (0, 0, 0, len(others)))
    return shares * looks + (1 - shares) * codes, keys


def _losses(
    batch: _Batch,
    questions: tuple[Tensor, Tensor],
    answer_texts: tuple[Tensor, Tensor],
    candidates: tuple[Tensor, Tensor],
    config: TextTrainingConfig,
    draw: np.random.Generator,
) -> dict[str, Tensor]:
    """The losses of codes and, named so, of keys: each argument has both."""
    temperatures = config.temperature, config.key_temperature
    spaces = zip(("", " by key"), questions, answer_texts, candidates, temperatures, strict=True)
    return {
        f"{name}{suffix}": loss
        for suffix, asked, texts, answers, temperature in spaces
        for name, loss in _losses_between(batch, asked, texts, answers, temperature, config, draw).items()
    }


def _losses_between(
    batch: _Batch,
    questions: Tensor,
    answer_texts: Tensor,
    codes: Tensor,
    temperature: float,
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
        losses["in-batch"] = config.siamese_weight * contrastive(asked[:n], answer_texts, targets, temperature)
        losses["all known"] = contrastive(asked, codes, accepted, temperature, batch.alike[batch.labelled])
    else:
        raise ValueError(f"loss should be 'contrastive' or 'triplet', not {config.loss!r}.")
    if len(batch.taught):
        losses["distillation"] = config.distillation_weight * distillation(
            questions[batch.taught], codes, batch.teacher, temperature, config.teacher_temperature
        )
    return losses


def _answer_ids(emoji: Emoji, tokenizer: Tokenizer, draw: np.random.Generator) -> list[int]:
    """Pieces of an answer's text: its name and some of its keywords, as an emoji not met before would come."""
    most = min(len(emoji.keywords), MOST_KEYWORDS)
    keywords = draw.choice(emoji.keywords, size=draw.integers(most + 1), replace=False) if most else ()
    return tokenizer.encode(dataclasses.replace(emoji, keywords=tuple(keywords)).description)
