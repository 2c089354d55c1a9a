"""The jobs that make and change indexes: what scripts and commands call."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qa_emoji import store
from qa_emoji.answer import Answer, emoji_id
from qa_emoji.catalog import Catalog, Emoji, describe
from qa_emoji.code_index import AUTO
from qa_emoji.cosine import unit_rows
from qa_emoji.fusion import IMAGE_SHARE, fuse, read_images
from qa_emoji.generation import Illustrator
from qa_emoji.index import EmojiIndex
from qa_emoji.runtime import ExportedEncoder, ExportedVAE, Named, check_built_with
from vae import images

_PART = 64  # pictures at once, as many as the VAE refines at once


def load_images(source: str, emojis: Sequence[Emoji]) -> np.ndarray:
    """Images, (n, 4, 36, 36), from "twemoji", a folder of PNGs or a colour font (.ttf, .otf)."""
    characters = [e.emoji for e in emojis]
    if source == "twemoji":
        return images.load_twemoji(characters)
    if Path(source).suffix.lower() in (".ttf", ".otf"):
        return images.load_font(source, characters)
    return images.load_folder(source, characters)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did: the new index, and how it differs from the one before.

    ``skipped`` are emojis of the catalogue that did not enter, ``dropped`` answers that are here no more, each with the
    reason; ``changed`` answers have another code than before.
    """

    index: EmojiIndex
    added: list[Answer]
    changed: list[Answer]
    dropped: list[tuple[Answer, str]]
    skipped: list[tuple[Emoji, str]]


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
    factory: str = AUTO,
    dry_run: bool = False,
    keep_previous: bool = True,
    on_images: Callable[[int, int], None] | None = None,
) -> Rebuilt:
    """Build and save an index of every base form of a catalogue and of emojis that nobody has drawn.

    The same inputs give the same bytes. An emoji without a picture is left out. ``on_images`` is told how many pictures
    of how many are read. A dry run does it all but saving.

    Raises ValueError when the encoder was trained against another VAE, and when fewer than ``generated`` pictures pass
    the rule of `qa_emoji.generation` after many draws, or there is a picture of no emoji; BlockingIOError, at once,
    when another process is changing the index. Nothing is written then.
    """
    if encoder.trained_against != vae.sha256:
        raise ValueError(
            f"The text encoder in {encoder.folder} was trained against other VAE weights than those in {vae.folder}; "
            "scripts/train_encoder.py trains it anew."
        )
    about = {
        "encoder": encoder.sha256,
        "vae": vae.sha256,
        "painter": vae.drawing_sha256,
        "image_share": image_share,
        "generated": {"wanted": generated, "seed": seed},
    }
    index = EmojiIndex(encoder.dim, about, factory)
    with contextlib.nullcontext() if dry_run else store.locked(out):
        emojis, pictures, skipped = _pictured(image_source, catalog.base_forms())
        if not emojis:
            raise ValueError(skipped[0][1] if skipped else "The catalogue has no emoji that may be an answer.")
        latents = _latents(vae, pictures, on_images)
        codes = fuse(unit_rows(latents), encoder.encode([e.description for e in emojis]), image_share)
        answers = [
            Answer(emoji_id(e.emoji), e.emoji, e.name, e.split, latent=latent)
            for e, latent in zip(emojis, latents, strict=True)
        ]
        index.add(answers, codes, encoder.labels([Named.of(e) for e in emojis]))
        if generated:
            drawn = Illustrator(vae, answers, unit_rows(codes)).anywhere(generated, np.random.default_rng(seed))
            if len(drawn) < generated:
                raise ValueError(
                    f"Only {len(drawn)} of {generated} new emojis were worth keeping; "
                    "ask for fewer or train the VAE longer."
                )
            index.add(drawn, np.stack([answer.code for answer in drawn if answer.code is not None]))
        rebuilt = _compared(index, _index_in(out), skipped)
        if not dry_run:
            index.write(out, keep_previous=keep_previous)
    return rebuilt


def _pictured(source: str, emojis: Sequence[Emoji]) -> tuple[list[Emoji], np.ndarray, list[tuple[Emoji, str]]]:
    """The emojis that a source has pictures of, their images, and the others with the reason.

    The list is halved around each that has none.
    """
    try:
        return list(emojis), load_images(source, emojis), []
    except (FileNotFoundError, ValueError) as error:
        if len(emojis) <= 1:
            return [], images.stack([]), [(emoji, str(error)) for emoji in emojis]
        middle = len(emojis) // 2
        halves = [_pictured(source, part) for part in (emojis[:middle], emojis[middle:])]
        kept, pictures, skipped = zip(*halves, strict=True)
        return [*kept[0], *kept[1]], np.concatenate(pictures), [*skipped[0], *skipped[1]]


def _latents(vae: ExportedVAE, pictures: np.ndarray, on_images: Callable[[int, int], None] | None) -> np.ndarray:
    parts = []
    for start in range(0, len(pictures), _PART):
        parts.append(vae.encode(pictures[start : start + _PART])[0])
        if on_images:
            on_images(min(start + _PART, len(pictures)), len(pictures))
    return np.concatenate(parts)


def _index_in(folder: Path) -> EmojiIndex | None:
    """The index in a folder, or None where there is none that can be read."""
    with contextlib.suppress(ValueError):
        return EmojiIndex.load(folder)
    return None


def _compared(index: EmojiIndex, before: EmojiIndex | None, skipped: list[tuple[Emoji, str]]) -> Rebuilt:
    if before is None:
        return Rebuilt(index, index.answers, [], [], skipped)
    reasons = {emoji_id(emoji.emoji): reason for emoji, reason in skipped}
    dropped = [
        (a, "drawn anew" if a.source == "generated" else reasons.get(a.id, "not in the catalogue"))
        for a in before.answers
        if a.id not in index
    ]
    stayed = [answer for answer in index.answers if answer.id in before]
    ids = [answer.id for answer in stayed]
    same = index.dim == before.dim and (index.codes(ids) == before.codes(ids)).all(axis=1)
    changed = [answer for answer, equal in zip(stayed, np.broadcast_to(same, len(stayed)), strict=True) if not equal]
    return Rebuilt(index, [a for a in index.answers if a.id not in before], changed, dropped, skipped)


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
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() == ".png")
    if not files:
        raise FileNotFoundError(f"There are no .png files in {folder}.")
    described = read_names(names) if names else {}
    if strangers := sorted(set(described) - {file.name for file in files}):
        raise ValueError(f"{names} names {strangers[0]}, which is not in {folder}.")
    latents, _ = vae.encode(images.load_files(files))
    codes = _read(index, latents)
    answers, named = [], {}
    for row, (file, latent) in enumerate(zip(files, latents, strict=True)):
        emoji = images.emoji_of_file(file)
        answer_id = emoji_id(emoji) if emoji else file.stem
        name, keywords = described.get(file.name, ("", ()))
        answers.append(Answer(answer_id, emoji, name or file.stem, "unseen", latent=latent))
        if name:
            named[row] = Named(answer_id, name, keywords)
    if named:
        rows = list(named)
        name_codes = encoder.encode([describe(each.name, each.keywords) for each in named.values()])
        codes[rows] = fuse(unit_rows(latents[rows]), name_codes, index.about["image_share"])
    labels = dict(zip(named, encoder.labels(list(named.values())), strict=True))
    index.add(answers, codes, [labels.get(row) for row in range(len(answers))])
    return answers


def _read(index: EmojiIndex, latents: np.ndarray) -> np.ndarray:
    """Codes of pictures without a name, read from the real emojis of the index."""
    real = [a for a in index.answers if a.source != "generated" and a.latent is not None]
    if not real:
        return unit_rows(latents)
    looks = unit_rows(np.stack([a.latent for a in real if a.latent is not None]))
    return read_images(unit_rows(latents), looks, index.codes([a.id for a in real]))


def read_names(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Names and keywords by file name, of a CSV with the columns file, name and, if wanted, keywords."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        described = {}
        for row in rows:
            keywords = (row.get("keywords") or "").split("|")
            described[row["file"]] = row["name"].strip(), tuple(keyword for keyword in keywords if keyword)
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} should be a CSV with the columns file, name and, if wanted, keywords.") from error
    return described


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Readable JSON, the same bytes for the same content."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
