"""The jobs around the text encoder: gather what it is trained on, train it, measure it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_emoji.answer import emoji_id
from qa_emoji.catalog import Catalog, Emoji
from qa_emoji.cosine import unit_rows
from qa_emoji.fusion import IMAGE_SHARE, fuse, read_images
from qa_emoji.jobs import load_images, write_json
from qa_emoji.memory import Memory
from qa_emoji.picture_evaluation import image_only
from qa_emoji.runtime import ExportedEncoder, ExportedVAE, Named
from qa_emoji.tokenizer import Tokenizer
from qa_emoji.vae_jobs import machine

if TYPE_CHECKING:
    from qa_emoji.questions import Question
    from qa_emoji.ranker import EmojiRanker
    from qa_emoji.training import Corpus, TextTrainingConfig

COPIES = ("fragments", "mentions", "typos")  # corpora made of others
UNTAUGHT = ("mentions", "typos")  # what the teacher does not read


@dataclass(frozen=True)
class TrainingData:
    """What a text encoder is trained on.

    ``codes`` (m, 16) and ``teacher`` (m, d) are the unit image codes of the ``known`` base forms and the teacher's
    vectors of their descriptions, ``latents`` (n, 16) the latent codes of all base forms, ``pieces`` (V, E) what the
    embedding sets out with.
    """

    corpora: dict[str, Corpus]
    known: tuple[Emoji, ...]
    codes: np.ndarray
    teacher: np.ndarray
    latents: np.ndarray
    tokenizer: Tokenizer
    pieces: np.ndarray


def gather(
    catalog: Catalog,
    corpora: Path,
    wordnet: Path,
    *,
    data: Path,
    image_source: str,
    teacher_cache: Path,
    vae: ExportedVAE,
    tokenizer: Tokenizer | None = None,
    on_text: Callable[[int, int], None] | None = None,
) -> TrainingData:
    """Read all corpora, fit a tokenizer to them unless one is given, and have the teacher read them.

    ``data`` is the folder of the authored files. What the teacher has read is kept in ``teacher_cache``;
    ``on_text`` is told how many of how many texts it has read.
    """
    from qa_emoji import corpora as readers
    from qa_emoji import teacher
    from qa_emoji.encoder import TextEncoderConfig
    from qa_emoji.training import Corpus

    pairs = readers.training_pairs(catalog, corpora, wordnet, data)
    if tokenizer is None:
        originals = (p.text for name, part in pairs.items() if name not in COPIES for p in part)
        tokenizer = Tokenizer.train(originals, TextEncoderConfig.vocabulary)
    emojis = catalog.base_forms()
    latents, _ = vae.encode(load_images(image_source, emojis))
    known, known_latents = zip(*((e, z) for e, z in zip(emojis, latents, strict=True) if e.known), strict=True)
    texts = {name: [p.text for p in part] for name, part in pairs.items() if name not in UNTAUGHT}
    texts["known"] = [e.description for e in known]
    vectors, total, read = {}, sum(map(len, texts.values())), 0
    for name, part in texts.items():
        on_chunk = (lambda n, read=read: on_text(read + n, total)) if on_text else None
        vectors[name] = teacher.embed_cached(part, teacher_cache, on_chunk=on_chunk)
        read += len(part)
    return TrainingData(
        corpora={name: Corpus(part, vectors.get(name), balanced=name == "tweets") for name, part in pairs.items()},
        known=known,
        codes=unit_rows(np.stack(known_latents)),
        teacher=vectors["known"].astype(np.float32),
        latents=latents,
        tokenizer=tokenizer,
        pieces=teacher.piece_vectors(tokenizer.pieces, TextEncoderConfig.embedding_dim),
    )


def train_on(
    gathered: TrainingData,
    out: Path,
    *,
    config: TextTrainingConfig,
    checkpoint: Path | None = None,
    from_pieces: bool = True,
    on_step: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Train an encoder on what was gathered and save it; returns the sizes of the model.

    Of several processes the first saves and is told of the steps. Without ``from_pieces`` the embedding sets out at
    random.
    """
    from qa_emoji import distributed
    from qa_emoji.encoder import TextEncoderConfig
    from qa_emoji.training import train

    model = train(
        gathered.corpora,
        gathered.known,
        gathered.codes,
        gathered.tokenizer,
        model_config=TextEncoderConfig(
            vocabulary=len(gathered.tokenizer), emojis=tuple(emoji_id(e.emoji) for e in gathered.known)
        ),
        config=config,
        known_teacher=gathered.teacher,
        piece_vectors=gathered.pieces if from_pieces else None,
        checkpoint=checkpoint,
        on_step=on_step if distributed.is_first() else None,
    )
    with distributed.first_alone():
        if distributed.is_first():
            model.save(out)
            gathered.tokenizer.save(out)
    return {**dataclasses.asdict(model.config), "emojis": len(model.config.emojis)}


def train_encoder(
    catalog: Catalog,
    corpora: Path,
    wordnet: Path,
    out: Path,
    *,
    data: Path,
    image_source: str = "twemoji",
    work: Path,
    teacher_cache: Path | None = None,
    vae: ExportedVAE | None = None,
    config: Any = None,
    on_text: Callable[[int, int], None] | None = None,
    on_step: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Train a text encoder against the codes of a VAE, save and measure it; returns what training.json says.

    ``vae`` is the shipped one when not given, ``teacher_cache`` a folder in ``work``; ``on_step`` is told how many
    steps are done and their losses. The rest is as for `gather`.
    """
    from qa_emoji import distributed
    from qa_emoji.training import TextTrainingConfig

    config, vae = config or TextTrainingConfig(), vae or ExportedVAE()
    started = time.monotonic()
    with distributed.first_alone():
        gathered = gather(
            catalog,
            corpora,
            wordnet,
            data=data,
            image_source=image_source,
            teacher_cache=teacher_cache or work / "teacher",
            vae=vae,
            on_text=on_text,
        )
    steps: list[int] = []

    def stepped(step: int, losses: dict[str, float]) -> None:
        steps.append(step)
        if on_step:
            on_step(step, losses)

    sizes = train_on(gathered, out, config=config, checkpoint=work / "encoder.safetensors", on_step=stepped)
    report = {
        "command": "make encoder CORPORA=folder",
        "texts": {name: len(corpus.pairs) for name, corpus in gathered.corpora.items()},
        "vae_sha256": vae.sha256,
        "config": dataclasses.asdict(config),
        "model": sizes,
        "seconds": round(time.monotonic() - started),
        "seconds_are_of_the_last_steps": len(steps),  # fewer than all after a kill
        "machine": machine(),
        "metrics": dev_metrics(catalog, gathered.latents, data / "questions.csv", encoder=ExportedEncoder(out)),
    }
    if distributed.is_first():
        write_json(out / "training.json", report)
        (work / "encoder.safetensors").unlink(missing_ok=True)
    return report


def dev_metrics(catalog: Catalog, latents: np.ndarray, file: Path, *, encoder: ExportedEncoder) -> dict[str, float]:
    """What an encoder reaches on the dev split of authored questions, among all base forms, by kind and measure.

    ``latents`` are the latent codes of all base forms, (n, 16).
    """
    from qa_emoji import evaluation, questions

    emojis, asked = catalog.base_forms(), questions.load(file, catalog, "dev")
    looks, known = unit_rows(latents), np.array([e.known for e in emojis])
    codes = fuse(looks, encoder.encode([e.description for e in emojis]), IMAGE_SHARE)
    memory = Memory(encoder.labels([Named.of(e) for e in emojis]), codes)
    recommend = evaluation.by_codes(
        lambda texts: memory.aim(encoder.read(texts)),
        {e.emoji: code for e, code in zip(emojis, codes, strict=True)},
    )
    figures = evaluation.evaluate_questions("", recommend, asked, catalog)
    by_image = _by_image(catalog, encoder.encode, looks[known], looks[~known], codes[known], asked)
    return {f"dev {f.kind} {f.measure} (n={f.n})": round(f.value, 4) for f in figures} | by_image


def dev_by_image(catalog: Catalog, latents: np.ndarray, file: Path, *, ranker: EmojiRanker) -> dict[str, float]:
    """What the pictures of unseen emojis are found by on the dev split, when only these are compared by other latent
    codes, (n, 16) of all base forms, and all else is as in the ranker."""
    from qa_emoji import questions

    emojis, asked = catalog.base_forms(), questions.load(file, catalog, "dev")
    looks, known = unit_rows(latents), np.array([e.known for e in emojis])
    codes = ranker.index.codes([emoji_id(e.emoji) for e in emojis if e.known])
    return _by_image(catalog, ranker.encoder.encode, looks[known], looks[~known], codes, asked)


def _by_image(
    catalog: Catalog,
    encode: Callable[[Sequence[str]], np.ndarray],
    known_looks: np.ndarray,
    unseen_looks: np.ndarray,
    known_codes: np.ndarray,
    asked: Sequence[Question],
) -> dict[str, float]:
    codes = np.concatenate([known_codes, read_images(unseen_looks, known_looks, known_codes)])
    hits = image_only(catalog, encode, codes, asked)
    return {f"dev unseen by image alone hit@10 (n={hits['n']:.0f})": round(hits["hit@10"], 4)}
