"""The jobs that train the image side: VAE, its peers, judge and painter, each saved, exported and measured."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qa_emoji.catalog import COMPONENT, Catalog, Emoji, canonical
from qa_emoji.jobs import load_images, write_json
from qa_emoji.meaning import meaning_of
from qa_emoji.picture_evaluation import Pictures, neighbours, reconstruction
from qa_emoji.runtime import ExportedVAE

PEERS = ("seed", "autoencoder", "unarranged")  # what the VAE is measured against
PEER_EPOCHS = 30  # of the latter two
VALIDATION = 10  # one known emoji in so many is left out when a configuration of the VAE is chosen
SKIN_TONE_WEIGHT = 0.5  # how often a skin-tone variant is drawn in VAE training against a base form


def is_validation(emojis: Sequence[Emoji]) -> np.ndarray:
    """A tenth of emojis, by a hash that an emoji and its skin-tone variants share: (n,) bool."""
    return np.array([zlib.crc32(canonical(e.base or e.emoji).encode()) % VALIDATION == 0 for e in emojis])


def pretrain_vae(
    catalog: Catalog,
    image_source: str,
    out: Path,
    *,
    work: Path,
    config: Any = None,
    model_config: Any = None,
    hold_out: bool = False,
    second_style: str | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train a VAE on all known images, save and export it; returns what training.json says.

    Unseen images are looked at once, after training, for the report.

    Args:
        hold_out: leave a tenth of the known images out and report their error too, to choose a configuration by.
        second_style: another image source, whose drawings of the same emojis are trained on too.
    """
    from vae import export, metrics, model, training

    config, model_config = config or training.TrainingConfig(), model_config or model.VAEConfig()
    started = time.monotonic()
    emojis = [
        e
        for e, validation in zip(catalog.known(), is_validation(catalog.known()), strict=True)
        if not (hold_out and validation)
    ]
    trained_images = load_images(image_source, emojis)
    if second_style:
        also = [e for e in emojis if e.group != COMPONENT]
        trained_images = np.concatenate([trained_images, load_images(second_style, also)])
        emojis = emojis + also
    trained = training.train(
        trained_images,
        model_config=model_config,
        config=config,
        weights=_weights(emojis),
        meaning=meaning_of(emojis) if config.arrangement else None,
        checkpoint=work / "vae.safetensors",
        on_epoch=on_epoch,
    )
    seconds = time.monotonic() - started
    trained.save(out)
    export.export(trained, out)
    vae, pictures = ExportedVAE(out), Pictures.load(catalog, lambda emojis: load_images(image_source, emojis))
    codes = pictures.encode(lambda images: vae.encode(images)[0])
    figures = reconstruction(pictures, codes, vae.decode) | neighbours(pictures, codes)
    one_pass = vae.decode(vae.encode(pictures.unseen_images, steps=0)[0])
    figures["MSE unseen, one pass"] = float(metrics.squared_error(pictures.unseen_images, one_pass).mean())
    figures["active dimensions"] = metrics.active_dimensions(codes.known)
    if hold_out:
        held = is_validation(pictures.known)
        errors = metrics.squared_error(pictures.known_images[held], vae.decode(codes.known[held]))
        figures["MSE validation"] = float(errors.mean())
    report = {
        "command": "make vae",
        "images": image_source,
        "trained_on": len(emojis),
        "config": dataclasses.asdict(config),
        "model": dataclasses.asdict(trained.config),
        "seconds": round(seconds),
        "machine": machine(),
        "metrics": {name: round(value, 5) for name, value in figures.items()},
    }
    write_json(out / "training.json", report)
    (work / "vae.safetensors").unlink(missing_ok=True)
    return report


def train_peer(
    name: str,
    catalog: Catalog,
    image_source: str,
    out: Path,
    *,
    work: Path,
    on_step: Callable[..., None] | None = None,
) -> None:
    """Train one of `PEERS` on all known images and save it, in half precision."""
    from vae import model, peers, training

    known = catalog.known()
    known_images = load_images(image_source, known)
    started = time.monotonic()
    work.mkdir(parents=True, exist_ok=True)
    trained: Any
    config: Any
    if name == "seed":
        config = peers.SeedConfig()
        trained = peers.train_seed(known_images, config=config, on_step=on_step)
    else:
        config = training.TrainingConfig(epochs=PEER_EPOCHS, arrangement=0.0)
        trained = training.train(
            known_images,
            model_config=model.VAEConfig(kl_weight=0.0) if name == "autoencoder" else model.VAEConfig(),
            config=config,
            weights=_weights(known),
            checkpoint=work / "peer.safetensors",
            on_epoch=on_step,
        )
        (work / "peer.safetensors").unlink(missing_ok=True)
    trained.half().save(out)
    report = {
        "command": f"python scripts/train_peers.py --only {name}",
        "images": image_source,
        "trained_on": len(known),
        "config": dataclasses.asdict(config),
        "seconds": round(time.monotonic() - started),
        "machine": machine(),
    }
    write_json(out / "training.json", report)


def train_painter(
    catalog: Catalog,
    image_source: str,
    folder: Path,
    *,
    work: Path,
    config: Any = None,
    on_judge: Callable[..., None] | None = None,
    on_step: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Train the judge of what pictures show and the painter of a VAE's pictures, save and export both beside the VAE.

    ``folder`` is that of the VAE. The judge's kinds are the groups of the catalogue; a tenth of the known emojis is
    held out of its training, to tell how sure it is of real ones that it has not seen.
    """
    from vae import export, judge, painting
    from vae.model import ConvVAE

    config = config or painting.PaintingConfig()
    started = time.monotonic()
    vae, exported = ConvVAE.load(folder), ExportedVAE(folder)
    known = [e for e in catalog.known() if e.group != COMPONENT]
    known_images = load_images(image_source, known)
    weights = _weights(known)
    judging, accuracy = judge.train(
        known_images, [e.group for e in known], is_validation(known), weights=weights, on_step=on_judge
    )
    codes, _ = exported.encode(known_images)
    painter = painting.train(
        vae,
        known_images,
        codes,
        weights=weights,
        config=config,
        checkpoint=work / "painter.safetensors",
        on_step=on_step,
    )
    judging.save(folder / "judge")
    painter.save(folder / "painter")
    export.export_judge(judging, folder)
    export.export_painter(painter, folder)
    report = {
        "command": "make painter",
        "images": image_source,
        "trained_on": len(known),
        "config": dataclasses.asdict(config),
        "vae_sha256": exported.sha256,
        "seconds": round(time.monotonic() - started),
        "machine": machine(),
        "metrics": {
            "judge accuracy on held-out known": round(accuracy, 4),
            "judge held out": int(is_validation(known).sum()),
            "recognised above": judging.config.recognised_above,
        },
    }
    write_json(folder / "painter" / "training.json", report)
    (work / "painter.safetensors").unlink(missing_ok=True)
    return report


def _weights(emojis: Sequence[Emoji]) -> np.ndarray:
    """How often to draw each image."""
    return np.array([SKIN_TONE_WEIGHT if e.base else 1.0 for e in emojis])


def machine() -> str:
    """What a report says of the machine."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
