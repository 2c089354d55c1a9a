"""The jobs that make the artefacts, VAE weights, encoder weights and indexes: what scripts and commands call."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qa_emoji.answer import Answer, emoji_id
from qa_emoji.catalog import Catalog, Emoji, describe
from qa_emoji.cosine import unit_rows
from qa_emoji.fusion import IMAGE_SHARE, fuse
from qa_emoji.generation import Illustrator
from qa_emoji.index import EmojiIndex
from qa_emoji.runtime import ExportedEncoder, ExportedVAE, check_built_with
from qa_emoji.tokenizer import Tokenizer
from vae import images

UNTAUGHT = ("tweets",)  # corpora that the teacher does not read: long, many and labelled already
SKIN_TONE_WEIGHT = 0.5  # how often a skin-tone variant is drawn in VAE training against a base form


def load_images(source: str, emojis: Sequence[Emoji]) -> np.ndarray:
    """Images, (n, 4, 36, 36), from "twemoji", a folder of PNGs or a colour font (.ttf, .otf)."""
    characters = [e.emoji for e in emojis]
    if source == "twemoji":
        return images.load_twemoji(characters)
    if Path(source).suffix.lower() in (".ttf", ".otf"):
        return images.load_font(source, characters)
    return images.load_folder(source, characters)


def pretrain_vae(
    catalog: Catalog,
    image_source: str,
    out: Path,
    *,
    work: Path,
    config: Any = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train a VAE on all known images, save and export it; returns what training.json says.

    Unseen images are looked at once, after training, for the report.
    """
    from vae import export, metrics, training

    config = config or training.TrainingConfig()
    started = time.monotonic()
    known = catalog.known()
    unseen = [e for e in catalog.unseen() if not e.base]
    known_images, unseen_images = load_images(image_source, known), load_images(image_source, unseen)
    weights = np.array([SKIN_TONE_WEIGHT if e.base else 1.0 for e in known])
    model = training.train(
        known_images, config=config, weights=weights, checkpoint=work / "vae.safetensors", on_epoch=on_epoch
    )
    seconds = time.monotonic() - started
    model.save(out)
    export.export(model, out)

    exported = ExportedVAE(out)

    known_means, unseen_means = exported.encode(known_images)[0], exported.encode(unseen_images)[0]

    def error(of: np.ndarray, means: np.ndarray) -> float:
        return round(float(metrics.squared_error(of, exported.decode(means)).mean()), 5)

    report = {
        "command": "make vae",
        "images": image_source,
        "trained_on": len(known),
        "config": dataclasses.asdict(config),
        "model": dataclasses.asdict(model.config),
        "seconds": round(seconds),
        "machine": _machine(),
        "metrics": {
            "mse_known": error(known_images, known_means),
            "mse_unseen": error(unseen_images, unseen_means),
            "n_unseen": len(unseen),
            "active_dimensions": metrics.active_dimensions(known_means),
        },
    }
    write_json(out / "training.json", report)
    (work / "vae.safetensors").unlink(missing_ok=True)
    return report


def train_encoder(
    catalog: Catalog,
    corpora: Path,
    wordnet: Path,
    out: Path,
    *,
    data: Path,
    image_source: str = "twemoji",
    work: Path,
    config: Any = None,
    on_text: Callable[[int, int], None] | None = None,
    on_step: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Train a text encoder against the codes of a VAE, save and export it; returns what training.json says.

    ``data`` is the folder of questions.csv and goemotions.csv. ``on_text`` is told how many of how many texts the
    teacher has read, ``on_step`` how many steps are done and their losses.
    """
    from qa_emoji import corpora as readers
    from qa_emoji import teacher, training
    from qa_emoji.encoder import TextEncoderConfig
    from qa_emoji.export import export

    config = config or training.TextTrainingConfig()
    started = time.monotonic()
    pairs = readers.training_pairs(catalog, corpora, wordnet, data)
    tokenizer = Tokenizer.train((p.text for part in pairs.values() for p in part), TextEncoderConfig.vocabulary)
    known = catalog.base_forms("known")
    vae = ExportedVAE()
    mean, _ = vae.encode(load_images(image_source, known))
    taught = [name for name in pairs if name not in UNTAUGHT]
    texts = [e.description for e in known] + [p.text for name in taught for p in pairs[name]]
    vectors = teacher.embed_cached(
        texts, work / "teacher", on_chunk=lambda n: on_text(n, len(texts)) if on_text else None
    )
    parts = np.split(vectors, np.cumsum([len(known), *(len(pairs[name]) for name in taught)])[:-1])
    taught_vectors = dict(zip(taught, parts[1:], strict=True))
    model = training.train(
        {
            name: training.Corpus(part, taught_vectors.get(name), balanced=name == "tweets")
            for name, part in pairs.items()
        },
        known,
        unit_rows(mean),
        tokenizer,
        model_config=TextEncoderConfig(vocabulary=len(tokenizer)),
        config=config,
        known_teacher=parts[0].astype(np.float32),
        checkpoint=work / "encoder.safetensors",
        on_step=on_step,
    )
    model.save(out)
    tokenizer.save(out)
    export(model, out)
    report = {
        "command": "make encoder CORPORA=folder",
        "texts": {name: len(part) for name, part in pairs.items()},
        "vae_sha256": vae.sha256,
        "config": dataclasses.asdict(config),
        "model": dataclasses.asdict(model.config),
        "seconds": round(time.monotonic() - started),
        "machine": _machine(),
        "metrics": dev_metrics(catalog, image_source, data / "questions.csv", encoder=ExportedEncoder(out), vae=vae),
    }
    write_json(out / "training.json", report)
    (work / "encoder.safetensors").unlink(missing_ok=True)
    return report


def dev_metrics(
    catalog: Catalog, image_source: str, file: Path, *, encoder: ExportedEncoder, vae: ExportedVAE
) -> dict[str, float]:
    """What an encoder reaches on the dev split of authored questions, among all base forms, by kind and measure."""
    from qa_emoji import evaluation, questions

    emojis = catalog.base_forms()
    _, codes = _embed(emojis, image_source, encoder, vae, IMAGE_SHARE)
    recommend = evaluation.by_codes(encoder.encode, {e.emoji: code for e, code in zip(emojis, codes, strict=True)})
    figures = evaluation.evaluate_questions("", recommend, questions.load(file, catalog, "dev"), catalog)
    return {f"dev {f.kind} {f.measure} (n={f.n})": round(f.value, 4) for f in figures}


def _embed(
    emojis: Sequence[Emoji], image_source: str, encoder: ExportedEncoder, vae: ExportedVAE, image_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Latent codes of the images and codes fused of images and names, each (n, 16)."""
    latents, _ = vae.encode(load_images(image_source, emojis))
    names = encoder.encode([e.description for e in emojis])
    return latents, fuse(unit_rows(latents), names, image_share)


def build_index(
    catalog: Catalog,
    image_source: str,
    out: Path,
    *,
    encoder: ExportedEncoder,
    vae: ExportedVAE,
    image_share: float = IMAGE_SHARE,
    generated: int = 512,
    seed: int = 0,
) -> EmojiIndex:
    """Build and save an index of every base form of a catalogue and of emojis that nobody has drawn.

    The same inputs give the same bytes. Raises ValueError when the encoder was trained against another VAE, and when
    fewer than ``generated`` pictures pass the rule of `qa_emoji.generation` after many draws; nothing is written then.
    """
    if encoder.trained_against != vae.sha256:
        raise ValueError(
            f"The text encoder in {encoder.folder} was trained against other VAE weights than those in {vae.folder}; "
            "scripts/train_encoder.py trains it anew."
        )
    emojis = catalog.base_forms()
    latents, codes = _embed(emojis, image_source, encoder, vae, image_share)
    answers = [
        Answer(emoji_id(e.emoji), e.emoji, e.name, e.split, latent=latent)
        for e, latent in zip(emojis, latents, strict=True)
    ]
    about = {
        "encoder": encoder.sha256,
        "vae": vae.sha256,
        "image_share": image_share,
        "generated": {"wanted": generated, "seed": seed},
    }
    index = EmojiIndex(encoder.dim, about)
    index.add(answers, codes)
    if generated:
        drawn = Illustrator(vae, answers).anywhere(generated, np.random.default_rng(seed))
        if len(drawn) < generated:
            raise ValueError(
                f"Only {len(drawn)} of {generated} new emojis were worth keeping; "
                "ask for fewer or train the VAE longer."
            )
        index.add(drawn, np.stack([answer.code for answer in drawn if answer.code is not None]))
    index.save(out)
    return index


def add_images(
    index: EmojiIndex, folder: Path, names: Path | None, *, encoder: ExportedEncoder, vae: ExportedVAE
) -> list[Answer]:
    """Add a folder of PNGs of any size to an index as unseen emojis, without training; returns the new answers.

    Args:
        index: built with the same encoder and VAE.
        folder: PNGs. One named by code points (``1f355.png``) answers as that emoji, another as its file's name.
        names: a CSV with the columns file, name and, if wanted, keywords (separated by |). A picture without a name is
            found by its image alone.

    Raises ValueError or FileNotFoundError, naming the file, and adds nothing when anything is wrong.
    """
    check_built_with(index.about, encoder, vae)
    files = sorted(folder.glob("*.png"))
    if not files:
        raise FileNotFoundError(f"There are no .png files in {folder}.")
    described = read_names(names) if names else {}
    if strangers := sorted(set(described) - {file.name for file in files}):
        raise ValueError(f"{names} names {strangers[0]}, which is not in {folder}.")
    latents, _ = vae.encode(images.load_files(files))
    texts = [described.get(file.name, ("", "")) for file in files]
    named = np.array([bool(name) for name, _ in texts])
    codes = unit_rows(latents)
    if named.any():
        name_codes = encoder.encode([description for name, description in texts if name])
        codes[named] = fuse(codes[named], name_codes, index.about["image_share"])
    answers = []
    for file, (name, _), latent in zip(files, texts, latents, strict=True):
        emoji = images.emoji_of_file(file)
        answers.append(
            Answer(emoji_id(emoji) if emoji else file.stem, emoji, name or file.stem, "unseen", latent=latent)
        )
    index.add(answers, codes)
    return answers


def read_names(path: Path) -> dict[str, tuple[str, str]]:
    """Names and descriptions by file name, of a CSV with the columns file, name and, if wanted, keywords."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        described = {}
        for row in rows:
            name, keywords = row["name"].strip(), (row.get("keywords") or "").split("|")
            described[row["file"]] = (name, describe(name, [k for k in keywords if k]))
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} should be a CSV with the columns file, name and, if wanted, keywords.") from error
    return described


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Readable JSON, the same bytes for the same content."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
