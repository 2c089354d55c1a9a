"""The two experiments on texts, each a table of figures: WikiQA's answer selection and the seed's airline tweets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from qa_emoji import airline, markdown, metrics, paths, resampling, teacher, text_training, wikiqa
from qa_emoji import corpora as readers
from qa_emoji.airline import AirlineConfig, Outcome, Triplets
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoder, TextEncoderConfig
from qa_emoji.index import EmojiIndex
from qa_emoji.overlap import WordOverlap
from qa_emoji.text_ranker import TextRanker
from qa_emoji.text_training import DistillationConfig, FittingConfig, Projection
from qa_emoji.tokenizer import Tokenizer, normalize
from qa_emoji.wikiqa import Selection

HELD_OUT = 5  # one train question in so many is never trained on: epochs and the weight of overlap are chosen by it
OVERLAPS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)  # weights to choose among
DEFINITIONS = 24_000  # of WordNet's nouns that the teacher reads
SCRATCH_MODEL = TextEncoderConfig(embedding_dim=128, filters=128, hidden_dim=128)  # for 4,089 tweets
SCRATCH = AirlineConfig(epochs=8, learning_rate=1e-2, dropout=0.2)
FINE_TUNING = AirlineConfig(epochs=8, learning_rate=3e-3, dropout=0.3)
HEAD_ONLY = AirlineConfig(epochs=12, learning_rate=5e-3, dropout=0.5, head_only=True)

Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Row:
    """A system's means over n questions, and over random seeds, with their 95% bootstrap intervals: by measure, the
    value, the low end and the high one."""

    system: str
    n: int
    seeds: int
    figures: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Texts:
    """What there is to learn from: WikiQA's questions to fit to and to hold out, and plain texts for the teacher."""

    fitted: list[Selection]
    held_out: list[Selection]
    plain: list[str]

    @classmethod
    def load(cls, corpora: Path, wordnet: Path) -> Texts:
        """Read WikiQA's train split and WordNet. What also occurs in WikiQA's dev split is left out: a question, or
        a candidate of one, of those sentences that several questions share."""
        dev = {normalize(text) for s in wikiqa.load(corpora, "dev") for text in (s.question, *s.candidates)}
        train = list(_without(wikiqa.load(corpora, "train"), dev))
        held_out = [zlib.crc32(s.question.encode()) % HELD_OUT == 0 for s in train]
        fitted = [s for s, held in zip(train, held_out, strict=True) if not held]
        synsets = readers.wordnet(wordnet)
        phrases = [text for synset in synsets for text in (*synset.words, *synset.examples) if " " in text]
        asked = [text for s in fitted for text in (s.question, *s.candidates)]
        held = [s for s, held in zip(train, held_out, strict=True) if held]
        kept_back = dev | {normalize(text) for s in held for text in (s.question, *s.candidates)}
        plain = dict.fromkeys([*phrases, *definitions(wordnet), *asked])
        return cls(fitted, held, [text for text in plain if normalize(text) not in kept_back])


def definitions(wordnet: Path, most: int = DEFINITIONS) -> list[str]:
    """Random nouns of WordNet with what they are, as the first sentence of an encyclopedia has it."""
    texts = []
    for line in (wordnet / "data.noun").read_text("latin-1").splitlines():
        if not line.startswith("  "):  # the licence at the top
            fields, _, gloss = line.partition(" | ")
            noun = fields.split()[4].replace("_", " ").lower()
            texts.append(f"{noun} is " + gloss.split('; "')[0].strip().rstrip(";"))
    return [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[:most]]


def _without(selections: Iterable[Selection], texts: set[str]) -> Iterable[Selection]:
    """Selections without some texts; without a right answer left, or with such a question, not at all."""
    for s in selections:
        kept = [(c, right) for c, right in zip(s.candidates, s.right, strict=True) if normalize(c) not in texts]
        if normalize(s.question) not in texts and any(right for _, right in kept):
            yield Selection(s.question, *zip(*kept, strict=True))


def train_text_encoders(
    texts: Texts,
    out: Path,
    *,
    work: Path,
    read: Callable[[Sequence[str]], np.ndarray],
    dims: Sequence[int] = (128, 16),
    seeds: Sequence[int] = (0, 1, 2),
    vocabulary: int = 24_000,
    model_config: TextEncoderConfig = TextEncoderConfig(),
    distillation: DistillationConfig = DistillationConfig(),
    fitting: FittingConfig = FittingConfig(),
    on_step: Progress | None = None,
    on_epoch: Progress | None = None,
) -> dict[int, list[Path]]:
    """Train and save text encoders: for each size of a code, the distilled one and one fitted with each seed.

    The first size is distilled in full, the others start from it and take a fifth of the steps. Folders are
    ``out``/SIZE/distilled and ``out``/SIZE/seed-N; a distillation that was cut short goes on from ``work``.

    Args:
        read: texts to the teacher's vectors, (n, d).
        on_step: called with distillation steps done, on_epoch with epochs of fitting.
    """
    tokenizer = Tokenizer.train(texts.plain, vocabulary)
    ids, vectors = [tokenizer.encode(text) for text in texts.plain], read(texts.plain)
    made: dict[int, list[Path]] = {}
    widest = None
    for dim in dims:
        config = replace(model_config, vocabulary=len(tokenizer), code_dim=dim)
        model = _initial(config, distillation.seed)
        steps = distillation.steps
        if widest is None:
            vectors_of_pieces = teacher.piece_vectors(tokenizer.pieces, config.embedding_dim, read=read)
            model.start_from(torch.from_numpy(vectors_of_pieces), torch.tensor(tokenizer.log_probabilities))
        else:
            text_training.start_from(model, widest)
            steps = max(1, steps // 5)
        project = Projection(vectors, dim, np.random.default_rng(distillation.seed))
        text_training.distil(
            model,
            ids,
            project(vectors),
            replace(distillation, steps=steps),
            checkpoint=work / f"text-{dim}.safetensors",
            on_step=on_step,
        )
        widest = widest or model
        made[dim] = [_save(model, tokenizer, out / str(dim) / "distilled")]
        for seed in seeds:
            fitted = _initial(config, seed)
            text_training.start_from(fitted, model)
            text_training.fit(
                fitted, tokenizer, texts.fitted, texts.held_out, replace(fitting, seed=seed), on_epoch=on_epoch
            )
            made[dim].append(_save(fitted, tokenizer, out / str(dim) / f"seed-{seed}"))
    return made


def evaluate_text_encoders(
    made: dict[int, list[Path]], texts: Texts, dev: Sequence[Selection], *, peer: Callable | None = None, seed: int = 0
) -> list[Row]:
    """MAP and MRR on questions that nothing was trained on or chosen by; ``peer`` embeds texts in unit vectors.

    The weight of word overlap is chosen for each encoder by the MAP on the held-out questions.
    """
    random = np.random.default_rng(seed)
    rows = [_row("random order", [[random.random(len(s.candidates)) for s in dev]], dev)]
    candidates = list(dict.fromkeys(c for s in dev for c in s.candidates))
    words, places = WordOverlap(candidates), {c: i for i, c in enumerate(candidates)}
    shared = [words.shares(s.question)[[places[c] for c in s.candidates]] for s in dev]
    rows.append(_row("word overlap (IDF)", [shared], dev))
    if peer:
        rows.append(_row("all-MiniLM-L6-v2, 384-d", [[_cosines(peer([s.question, *s.candidates])) for s in dev]], dev))
    for dim, folders in made.items():
        distilled, *fitted = [_ranker(folder, dev) for folder in folders]
        rows.append(_row(f"ours, {dim}-d, distilled alone", [_scores(distilled, dev)], dev))
        rows.append(_row(f"ours, {dim}-d", [_scores(ranker, dev) for ranker in fitted], dev))
        weights = [overlap_weight(_ranker(folder, texts.held_out), texts.held_out) for folder in folders[1:]]
        chosen = [_scores(_with(ranker, weight), dev) for ranker, weight in zip(fitted, weights, strict=True)]
        listed = ", ".join(f"{weight:g}" for weight in weights)
        rows.append(_row(f"ours, {dim}-d, and word overlap times {listed}", chosen, dev))
    return rows


def overlap_weight(ranker: TextRanker, held_out: Sequence[Selection]) -> float:
    """The weight of word overlap, of `OVERLAPS`, that is best on held-out questions; of equals the smallest."""
    reached = [
        wikiqa.average_precision(_scores(_with(ranker, weight), held_out), held_out).mean() for weight in OVERLAPS
    ]
    return OVERLAPS[int(np.argmax(reached))]


def airline_experiment(
    tweets: Sequence[tuple[str, str]],
    index: EmojiIndex,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    scratch: AirlineConfig = SCRATCH,
    fine_tuning: AirlineConfig = FINE_TUNING,
    head_only: AirlineConfig = HEAD_ONLY,
    outside: bool = False,
    peer: bool = True,
    on_step: Progress | None = None,
) -> list[Row]:
    """Hinge loss, accuracy and macro-F1 on the validation tweets: an encoder with random weights and the shipped one,
    whole or its head alone, trained on the training tweets towards the frozen image codes of the three emojis; beside
    them "always 😡" and, as a ``peer``, a linear SVM.

    With ``outside``, on the second sample of `airline.split`, to choose a configuration by.
    """
    train, validation = airline.split(tweets, outside=outside)
    codes = airline_codes(index)
    always = np.full(len(validation), airline.ANSWERS.index("😡"))
    constant = airline.judge(codes[always], validation, codes)
    rows = [_airline_row("always 😡", [constant], validation)]
    if peer:
        rows.append(_airline_row("TF-IDF + linear SVM", [airline.by_linear_svm(train, validation)], validation))
    for system, config, make in (
        ("ours, from scratch", scratch, _scratch),
        ("ours, from the shipped encoder", fine_tuning, _shipped),
        ("ours, from the shipped encoder, head alone", head_only, _shipped),
    ):
        outcomes = []
        for seed in seeds:
            model, tokenizer = make(config, seed)
            airline.train(model, tokenizer, train, codes, replace(config, seed=seed), on_step=on_step)
            outcomes.append(airline.validate(model, tokenizer, validation, codes))
        rows.append(_airline_row(system, outcomes, validation))
    return rows


def airline_codes(index: EmojiIndex) -> np.ndarray:
    """The frozen image codes of the three emojis, (3, 16) float32 unit rows: nothing but how they look."""
    looks = {answer.emoji: answer.latent for answer in index.answers if answer.latent is not None}
    return unit_rows(np.stack([looks[emoji] for emoji in airline.ANSWERS]))


def as_markdown(rows: Sequence[Row]) -> str:
    """A table with a line for each system and a column for each measure."""
    measures = list(dict.fromkeys(measure for row in rows for measure in row.figures))

    def cell(row: Row, measure: str) -> str:
        return "{:.4f} ({:.4f}-{:.4f})".format(*row.figures[measure]) if measure in row.figures else ""

    told = [(row.system, row.n, row.seeds, *(cell(row, measure) for measure in measures)) for row in rows]
    return markdown.table(["", "n", "seeds", *measures], told)


def _initial(config: TextEncoderConfig, seed: int) -> TextEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # the layers' initial values, which torch draws from its global generator
        return TextEncoder(config)


def _save(model: TextEncoder, tokenizer: Tokenizer, folder: Path) -> Path:
    model.save(folder)
    tokenizer.save(folder)
    return folder


def _ranker(folder: Path, selections: Sequence[Selection]) -> TextRanker:
    """The ranker of an encoder that holds the candidates of all these questions."""
    return TextRanker.from_texts([candidate for s in selections for candidate in s.candidates], encoder=folder)


def _with(ranker: TextRanker, overlap: float) -> TextRanker:
    return TextRanker(ranker.texts, ranker.codes, ranker.encoder, overlap=overlap)


def _scores(ranker: TextRanker, selections: Sequence[Selection]) -> list[np.ndarray]:
    return [ranker.scores(s.question, s.candidates) for s in selections]


def _cosines(vectors: np.ndarray) -> np.ndarray:
    return vectors[1:] @ vectors[0]


def _row(system: str, scores: Sequence[Sequence[np.ndarray]], selections: Sequence[Selection]) -> Row:
    """A row from each seed's scores of each question."""
    figures = {}
    for name, measure in (("MAP", wikiqa.average_precision), ("MRR", wikiqa.reciprocal_rank)):
        values = np.mean([measure(of_seed, selections) for of_seed in scores], axis=0)
        figures[name] = (float(values.mean()), *resampling.bootstrap_interval(values, np.random.default_rng(0)))
    return Row(system, len(selections), len(scores), figures)


def _scratch(config: AirlineConfig, seed: int) -> tuple[TextEncoder, Tokenizer]:
    """A small encoder with random weights, and the shipped tokenizer, which never saw a tweet's sentiment."""
    tokenizer = Tokenizer.load(paths.encoder_weights())
    return _initial(replace(SCRATCH_MODEL, vocabulary=len(tokenizer), dropout=config.dropout), seed), tokenizer


def _shipped(config: AirlineConfig, seed: int) -> tuple[TextEncoder, Tokenizer]:
    """The shipped encoder with the configuration's dropout."""
    weights, tokenizer = TextEncoder.load()
    model = _initial(replace(weights.config, dropout=config.dropout), seed)
    text_training.start_from(model, weights)
    return model, tokenizer


def _airline_row(system: str, outcomes: Sequence[Outcome], validation: Triplets) -> Row:
    """A row from each seed's outcome."""
    n, right = len(validation), validation.right
    per_tweet = {"accuracy": np.mean([o.predicted == right for o in outcomes], axis=0)}
    if losses := [o.losses for o in outcomes if o.losses is not None]:
        per_tweet = {"hinge": np.stack(losses).mean(axis=0), **per_tweet}
    figures = {
        name: (float(values.mean()), *resampling.bootstrap_interval(values, np.random.default_rng(0)))
        for name, values in per_tweet.items()
    }

    def macro_f1(rows: np.ndarray) -> float:
        return float(np.mean([metrics.macro_f1(o.predicted[rows].tolist(), right[rows].tolist()) for o in outcomes]))

    draws = np.random.default_rng(0).integers(n, size=(200, n))
    low, high = np.quantile([macro_f1(rows) for rows in draws], [0.025, 0.975])
    figures["macro-F1"] = (macro_f1(np.arange(n)), float(low), float(high))
    return Row(system, n, len(outcomes), figures)
