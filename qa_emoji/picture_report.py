"""Every figure of the image side in one report, the VAE beside its peers in the same run."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qa_emoji import markdown, questions
from qa_emoji.catalog import Catalog, Emoji
from qa_emoji.cosine import unit_rows
from qa_emoji.fusion import read_images
from qa_emoji.generation import shows_something
from qa_emoji.memory import Memory
from qa_emoji.picture_evaluation import (
    Codes,
    Pictures,
    drawing,
    fresh_answers,
    image_only,
    just_noticeable,
    neighbours,
    odd_images,
    reconstruction,
)
from qa_emoji.questions import Question
from qa_emoji.ranker import EmojiRanker
from vae import metrics, sampling

SECTIONS = 5
TRADED = (  # measures of the trade-off that are printed
    "MSE validation",
    "MSE unseen",
    "neighbours",
    "dev known hit@5",
    "dev known R-precision",
    "dev implicit R-precision",
    "dev unseen by image alone",
)
LABELS = {
    "seed": "the seed's architecture",
    "autoencoder": "plain autoencoder, 30 epochs",
    "unarranged": "not arranged, 30 epochs",
}

Table = dict[str, dict[str, float]]


def measure(
    catalog: Catalog,
    ranker: EmojiRanker,
    load: Callable[[Sequence[Emoji]], np.ndarray],
    *,
    peers: Path,
    questions_file: Path,
    drawn: int,
    seed: int = 0,
    on_section: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """The report: a table of figures for each section, by row and measure.

    Args:
        load: emojis to images, (n, 4, 36, 36).
        peers: the folder of what `vae_jobs.train_peer` made, and of the trade-off if it was measured.
        drawn: how many pictures to draw in each way.
        on_section: called with the number of sections done.
    """
    pictures = Pictures.load(catalog, load)
    generator = np.random.default_rng(seed)
    test = questions.load(questions_file, catalog, "test")
    latents = {a.emoji: a.latent for a in ranker.index.answers if a.emoji and a.latent is not None}
    unseen = ranker.vae.encode(pictures.unseen_images)[0]
    codes = Codes(np.stack([latents[e.emoji] for e in pictures.known]), unseen)
    report: dict[str, Any] = {"n": {"known": len(pictures.known), "unseen": len(pictures.unseen), "drawn": drawn}}

    def done(name: str, table: Table) -> None:
        report[name] = table
        if on_section:
            on_section(len(report) - 1)

    others = _peers(peers)
    done("reconstruction", _reconstruction(pictures, codes, ranker, others))
    done("latents", _latents(pictures, codes, ranker, generator))
    done("drawn pictures", _drawn(pictures, codes, ranker, others, drawn, generator))
    done("unseen by image alone", _image_only(catalog, ranker, pictures, codes, test))
    done("fresh answers", {"test": fresh_answers(ranker, test)})
    for name, file in (("trade-off", "trade_off.json"), ("second style and augmentation", "second_style.json")):
        if (points := peers / file).is_file():
            report[name] = json.loads(points.read_text())
    return report


def as_markdown(report: dict[str, Any]) -> str:
    """A table for each section."""
    parts = [", ".join(f"{count} {what}" for what, count in report["n"].items())]
    for name, table in report.items():
        if name == "n":
            continue
        rows = table if isinstance(table, dict) else {_point(point): point for point in table}
        measures = list(dict.fromkeys(m for row in rows.values() for m in row))
        if not isinstance(table, dict):
            measures = [m for m in measures if m in TRADED or m.startswith(TRADED)]
        cells = [[label, *(f"{row[m]:.4g}" if m in row else "" for m in measures)] for label, row in rows.items()]
        parts += [f"**{name}**", markdown.table(["", *measures], cells)]
    return "\n\n".join(parts)


def _point(point: dict[str, Any]) -> str:
    style = ", second style" if point["second_style"] else ""
    plain = "" if point["augmented"] else ", not augmented"
    return f"arrangement {point['arrangement']:g}{style}{plain}"


def _peers(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        return {}
    from vae import ConvVAE
    from vae.peers import SeedVAE

    kinds: dict[str, Any] = {"seed": SeedVAE, "autoencoder": ConvVAE, "unarranged": ConvVAE}
    return {name: kind.load(folder / name) for name, kind in kinds.items() if (folder / name).is_dir()}


def _reconstruction(pictures: Pictures, codes: Codes, ranker: EmojiRanker, others: dict[str, Any]) -> Table:
    from vae.peers import PCA

    vae = ranker.vae
    table: Table = {}

    def row(label: str, mean: Codes, decode: Callable[[np.ndarray], np.ndarray]) -> None:
        table[label] = reconstruction(pictures, mean, decode) | neighbours(pictures, mean)

    for components in (16, 64):
        pca = PCA(pictures.known_images, components)
        row(f"PCA, {components} numbers", pictures.encode(pca.encode), pca.decode)
    pixels = pictures.encode(lambda images: images.reshape(len(images), -1))
    table["raw pixels"] = neighbours(pictures, pixels)
    for name, model in others.items():
        decode = functools.partial(_decode, model)
        one_pass = functools.partial(_encode, model) if name == "seed" else functools.partial(_encode, model, steps=0)
        row(f"{LABELS[name]}, one pass", pictures.encode(one_pass), decode)
        if name == "unarranged":
            row(LABELS[name], pictures.encode(functools.partial(_encode, model)), decode)
    one = pictures.encode(lambda images: vae.encode(images, steps=0)[0])
    row("shipped, one pass", one, vae.decode)
    row("shipped", codes, vae.decode)
    return table


def _encode(model: Any, images: np.ndarray, **how: int) -> np.ndarray:
    return model.encode(images, **how)[0].detach().numpy()


def _decode(model: Any, codes: np.ndarray) -> np.ndarray:
    return model.decode(codes).detach().numpy()


def _latents(pictures: Pictures, codes: Codes, ranker: EmojiRanker, generator: np.random.Generator) -> Table:
    every = np.concatenate([codes.known, codes.unseen])
    odd_means, odd_logvars = ranker.vae.encode(odd_images(generator))
    _, logvars = ranker.vae.encode(np.concatenate([pictures.known_images, pictures.unseen_images]), steps=0)
    divergence = metrics.prior_divergence(every, logvars)
    return {
        "shipped": {
            "finite share": float(np.isfinite(np.hstack([every, logvars])).all(axis=1).mean()),
            "finite share, odd images": float(np.isfinite(np.hstack([odd_means, odd_logvars])).all(axis=1).mean()),
            "active dimensions": float(metrics.active_dimensions(codes.known)),
            "least variance of means": float(codes.known.var(axis=0).min()),
            "largest absolute mean": float(np.abs(every).max()),
            "KL to N(0, 1), mean of dimensions": float(divergence.mean()),
            "KL, greatest": float(divergence.max()),
        }
    }


def _drawn(
    pictures: Pictures,
    codes: Codes,
    ranker: EmojiRanker,
    others: dict[str, Any],
    n: int,
    generator: np.random.Generator,
) -> Table:
    vae = ranker.vae
    real = np.concatenate([pictures.known_images, pictures.unseen_images[pictures.unseen_answers]])
    real_features, _ = vae.judge(real)
    logvars = vae.encode(pictures.known_images, steps=0)[1]
    drawn: dict[str, np.ndarray] = {"real, unseen": pictures.unseen_images}
    if "seed" in others:
        seed = others["seed"]
        means, seed_logvars = (part.numpy() for part in seed.encode(pictures.known_images))
        drawn["seed, prior"] = seed.decode(sampling.prior(n, means.shape[1], generator)).numpy()
        drawn["seed, posterior"] = seed.decode(sampling.aggregate_posterior(n, means, seed_logvars, generator)).numpy()
        drawn["seed, blends"] = seed.decode(sampling.blends(n, means, generator)).numpy()
    ways = {
        "prior": sampling.prior(n, codes.known.shape[1], generator),
        "posterior": sampling.aggregate_posterior(n, codes.known, logvars, generator),
        "percentiles": sampling.percentiles(n, codes.known, generator),
        "blends": sampling.blends(n, codes.known, generator),
    }
    for way, latents in ways.items():
        drawn[f"{way}, decoded"] = vae.decode(latents)
        drawn[f"{way}, painted"] = vae.draw(latents)
    blends = drawn["blends, painted"]
    drawn["blends, painted, that show something"] = blends[shows_something(blends)]
    kept = [a.latent for a in ranker.index.answers if a.source == "generated" and a.latent is not None]
    if kept:
        drawn["index, by the rule"] = vae.draw(np.stack(kept))
    table = {way: drawing(vae, real, real_features, images) for way, images in drawn.items()}
    table["real, unseen"].pop("recall")
    table["just noticeable"] = {"nearest real, least": just_noticeable(pictures)}
    return table


def _image_only(
    catalog: Catalog, ranker: EmojiRanker, pictures: Pictures, codes: Codes, test: Sequence[Question]
) -> Table:
    """Questions on unseen emojis, found among all base forms by what their images say; known ones as in the index.

    Questions have the codes of their texts alone, or are aimed at the known emojis that they mean, as they are where
    pictures without a name are added to an index.
    """
    ids = {a.emoji: a.id for a in ranker.index.answers if a.emoji}
    known, labels = [ids[e.emoji] for e in pictures.known], ranker.index.labels()
    found_by = ranker.index.codes(known)
    looks, unseen = unit_rows(codes.known), unit_rows(codes.unseen[pictures.unseen_answers])
    read, memory = read_images(unseen, looks, found_by), Memory([labels[i] for i in known], found_by)

    def aimed(texts: Sequence[str]) -> np.ndarray:
        return memory.aim(ranker.encoder.read(texts))

    ways = {
        "direction of the latent code": (ranker.encoder.encode, unseen),
        "read from its neighbours": (ranker.encoder.encode, read),
        "the same, questions aimed at known names": (aimed, read),
    }
    return {
        way: image_only(catalog, encode, np.concatenate([found_by, images]), test)
        for way, (encode, images) in ways.items()
    }
