"""Training of the VAE: the evidence lower bound over augmented images."""

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

    ``kl_weight`` multiplies the KL term against squared error summed over pixels (the beta of Higgins et al. 2017).
    Augmentation: with probability ``augmented`` an image is shifted, scaled and turned a little, mirrored half the
    time, and its three colours are permuted with probability ``recoloured``.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 2e-3
    kl_weight: float = 0.25
    augmented: float = 0.8
    recoloured: float = 0.2
    shift: float = 0.06
    scale: float = 0.10
    turn: float = 0.12
    seed: int = 0


def elbo_loss(
    model: ConvVAE, images: Tensor, kl_weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Negative evidence lower bound per image, averaged over the batch, and its two terms (squared error, KL).

    KL(N(mean, var) || N(0, I)) = (mean^2 + var - 1 - log var) / 2, summed over dimensions (Kingma and Welling 2013).
    """
    mean, logvar = model.encode(images)
    decoded = model.decode(model.reparameterise(mean, logvar, generator))
    error = (decoded - images).square().flatten(1).sum(1).mean()
    kl = (mean.square() + logvar.exp() - 1 - logvar).sum(1).mean() / 2
    return error + kl_weight * kl, error, kl


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
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> ConvVAE:
    """Train a VAE on images, (n, 4, 36, 36) float32.

    Args:
        weights: how often to draw each image against the others, (n,); equally when not given.
        checkpoint: a file to save the state to after each epoch and to resume from.
        on_epoch: called with the epoch's number and its mean losses.
    """
    torch_images = torch.as_tensor(images)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # the layers' initial values, which torch draws from its global generator
        model = ConvVAE(model_config)
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    saved = None
    if checkpoint:
        data = {"images": digest(images.tobytes())}
        saved = Checkpoint(checkpoint, dataclasses.asdict(config) | dataclasses.asdict(model_config) | data)
    step = saved.resume(model, optimizer, generator) if saved else 0
    draws = torch.ones(len(images)) if weights is None else torch.as_tensor(weights, dtype=torch.float32)
    steps_per_epoch = max(1, len(images) // config.batch_size)
    steps = steps_per_epoch * config.epochs
    model.train()
    for epoch in range(step // steps_per_epoch, config.epochs):
        order = torch.multinomial(draws, steps_per_epoch * config.batch_size, replacement=True, generator=generator)
        totals = np.zeros(3)
        for batch in order.split(config.batch_size):
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, steps, config.learning_rate)
            loss, error, kl = elbo_loss(
                model, augment(torch_images[batch], config, generator), config.kl_weight, generator
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            totals += (loss.item(), error.item(), kl.item())
        losses = dict(zip(("loss", "squared_error", "kl"), (totals / steps_per_epoch).tolist(), strict=True))
        log.info("epoch %d of %d: %s", epoch + 1, config.epochs, losses)
        if saved:
            saved.save(step, model, optimizer, generator)
        if on_epoch:
            on_epoch(epoch + 1, losses)
    return model.eval()
