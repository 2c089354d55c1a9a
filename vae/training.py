"""Training of the VAE: the evidence lower bound over augmented images, and a mild arrangement of codes by meaning."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vae.model import ConvVAE, VAEConfig
from vae.optimization import Checkpoint, digest, one_cycle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Augmentation: with probability ``augmented`` an image is shifted, scaled and turned a little, mirrored half the
    time, and its three colours are permuted with probability ``recoloured``. ``arrangement`` weighs the arrangement of
    codes by meaning against squared error summed over pixels; ``bfloat16`` computes the layers in that precision.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 2e-3
    augmented: float = 0.8
    recoloured: float = 0.2
    shift: float = 0.06
    scale: float = 0.10
    turn: float = 0.12
    arrangement: float = 100.0
    arrangement_temperature: float = 0.2
    bfloat16: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Meaning:
    """What the images show and which of that belongs together.

    Args:
        concepts: (n,) int, what each image shows; variants and other drawings of an emoji share its concept.
        affinity: (c, c) float32, how much each concept has to do with each; the diagonal counts too.
    """

    concepts: np.ndarray
    affinity: np.ndarray


def kl_to_prior(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, var) || N(0, I)) = (mean^2 + var - 1 - log var) / 2, summed over dimensions, averaged over the batch.

    Kingma and Welling 2013. Both are (n, 16).
    """
    return (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean() / 2


def elbo_loss(
    model: ConvVAE, images: Tensor, kl_weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Negative evidence lower bound per image, averaged over the batch, its terms (error, KL), and the means."""
    mean, logvar = (part.float() for part in model.posterior(images))
    decoded = model.decode(model.reparameterise(mean, logvar, generator)).float()
    error = (decoded - images).square().flatten(1).sum(1).mean()
    kl = kl_to_prior(mean, logvar)
    return error + kl_weight * kl, error, kl, mean


def arrangement_loss(means: Tensor, bank: Tensor, affinity: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of what each image has to do with every concept, under the softmax of cosines.

    The supervised contrastive loss (Khosla et al. 2020, arXiv 2004.11362) with shares for labels.

    Args:
        means: (n, 16) of a batch.
        bank: (c, 16) the latest mean of each concept.
        affinity: (n, c), not negative, with something in each row.
        temperature: what cosines are divided by.
    """
    logits = F.normalize(means) @ F.normalize(bank).T / temperature  # (n, c)
    target = affinity / affinity.sum(1, keepdim=True)
    return -(target * F.log_softmax(logits, dim=1)).sum(1).mean()


def augment(images: Tensor, config: TrainingConfig, generator: torch.Generator) -> Tensor:
    """Images moved, scaled, turned, mirrored and recoloured at random, each by its own draw: (n, 4, 36, 36)."""
    n = len(images)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator)

    def symmetric(bound: float) -> Tensor:
        return (2 * uniform() - 1) * bound * moved

    moved = (uniform() < config.augmented).float()
    zoom, angle = torch.exp(symmetric(config.scale)), symmetric(config.turn)
    mirror = 1 - 2 * ((uniform() < 0.5).float() * moved)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, 2 * symmetric(config.shift)], 1),
            torch.stack([sin * mirror, cos, 2 * symmetric(config.shift)], 1),
        ],
        1,
    )  # (n, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, align_corners=False)
    order = torch.where(uniform(1) < config.recoloured, uniform(3).argsort(1), torch.arange(3))  # (n, 3)
    colours = images[:, :3].gather(1, order[:, :, None, None].expand(-1, -1, *images.shape[2:]))
    return torch.cat([colours, images[:, 3:]], 1).clamp(0, 1)


def train(
    images: np.ndarray,
    *,
    model_config: VAEConfig = VAEConfig(),
    config: TrainingConfig = TrainingConfig(),
    weights: np.ndarray | None = None,
    meaning: Meaning | None = None,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> ConvVAE:
    """Train a VAE on images, (n, 4, 36, 36) float32.

    Args:
        weights: how often to draw each image against the others, (n,); equally when not given. An epoch has as many
            draws as weights add up to.
        meaning: what to arrange the codes by; needed when ``config.arrangement`` is not 0.
        checkpoint: a file to save the state to after each epoch and to resume from.
        on_epoch: called with the epoch's number and its mean losses.
    """
    if config.arrangement and meaning is None:
        raise ValueError("Codes can only be arranged by a meaning.")
    torch_images = torch.as_tensor(images)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # the layers' initial values, which torch draws from its global generator
        model = ConvVAE(model_config)
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    draws = torch.ones(len(images)) if weights is None else torch.as_tensor(weights, dtype=torch.float32)
    saved = None
    if checkpoint:
        data = {"images": digest(images.tobytes(), draws.numpy().tobytes())}
        if meaning:
            data["meaning"] = digest(meaning.concepts.tobytes(), meaning.affinity.tobytes())
        saved = Checkpoint(checkpoint, dataclasses.asdict(config) | dataclasses.asdict(model_config) | data)
    step = saved.resume(model, optimizer, generator) if saved else 0
    steps_per_epoch = max(1, round(float(draws.sum())) // config.batch_size)
    steps = steps_per_epoch * config.epochs
    for epoch in range(step // steps_per_epoch, config.epochs):
        order = torch.multinomial(draws, steps_per_epoch * config.batch_size, replacement=True, generator=generator)
        bank = _Bank(model, torch_images, meaning) if config.arrangement and meaning else None
        model.train()
        totals: dict[str, float] = {}
        for batch in order.split(config.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, steps, config.learning_rate)
            augmented = augment(torch_images[batch], config, generator)
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                loss, error, kl, means = elbo_loss(model, augmented, model_config.kl_weight, generator)
            losses = {"loss": loss, "squared_error": error, "kl": kl}
            if bank:
                losses["arrangement"] = bank.loss(means, batch, config.arrangement_temperature)
                losses["loss"] = loss = loss + config.arrangement * losses["arrangement"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value.item() / steps_per_epoch
        log.info("epoch %d of %d: %s", epoch + 1, config.epochs, totals)
        if saved:
            saved.save(step, model, optimizer, generator)
        if on_epoch:
            on_epoch(epoch + 1, totals)
    return model.eval()


class _Bank:
    """The latest mean of each concept, to arrange the means of a batch against."""

    def __init__(self, model: ConvVAE, images: Tensor, meaning: Meaning):
        self._concepts = torch.from_numpy(meaning.concepts)
        self._affinity = torch.from_numpy(meaning.affinity)
        model.eval()
        _, first = np.unique(meaning.concepts, return_index=True)
        with torch.no_grad():
            self._means = torch.cat([model.posterior(images[part])[0] for part in torch.from_numpy(first).split(512)])

    def loss(self, means: Tensor, rows: Tensor, temperature: float) -> Tensor:
        concepts = self._concepts[rows]
        loss = arrangement_loss(means, self._means, self._affinity[concepts], temperature)
        self._means[concepts] = means.detach()
        return loss
