"""Training of the painter against its critic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae import sampling
from vae.model import ConvVAE
from vae.optimization import Checkpoint, digest, one_cycle
from vae.painter import Critic, Painter, PainterConfig
from vae.training import TrainingConfig, augment

_MOVES = TrainingConfig(augmented=1.0, recoloured=0.3, shift=0.12, scale=0.2, turn=0.3)


@dataclass(frozen=True)
class PaintingConfig:
    """How to train.

    Half of a batch are real images, to be restored after they went through their codes; half are blends of two codes,
    for which there is no original: they should pass for real and still show what their code says.
    """

    steps: int = 2_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    critic_pace: float = 2.0  # its learning rate against the painter's (Heusel et al. 2017, arXiv 1706.08500)
    restoration: float = 10.0  # weight of the absolute difference from the original, averaged over pixels
    features: float = 5.0  # the same in the critic's layers (Larsen et al. 2016, arXiv 1512.09300)
    critique: float = 0.3  # weight of passing for real
    faithfulness: float = 2.0  # weight of the absolute difference of a blend, blurred, from what was decoded
    blur: int = 5  # pixels
    noise: float = 0.1  # added to codes of real images, standard deviation
    bfloat16: bool = True
    seed: int = 0


def train(
    vae: ConvVAE,
    images: np.ndarray,
    codes: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    painter_config: PainterConfig = PainterConfig(),
    config: PaintingConfig = PaintingConfig(),
    checkpoint: str | Path | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> Painter:
    """Train a painter for a VAE, whose weights stay as they are.

    Args:
        images: (n, 4, 36, 36) float32 real ones.
        codes: (n, 16) float32 their refined means.
        weights: how often to draw each image against the others, (n,); equally when not given.
        checkpoint: a file to save the state to and to resume from.
        on_step: called with the number of steps done and the losses of the last.
    """
    real = torch.as_tensor(images)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        painter, critic = Painter(painter_config), Critic()
    pair = nn.ModuleDict({"painter": painter, "critic": critic}).train()
    paces = {painter: 1.0, critic: config.critic_pace}
    groups = [{"params": list(part.parameters())} for part in paces]
    optimizer = torch.optim.Adam(groups, lr=config.learning_rate, betas=(0.5, 0.99))
    saved = None
    if checkpoint:
        data = {"images": digest(images.tobytes()), "codes": digest(codes.tobytes())}
        saved = Checkpoint(checkpoint, dataclasses.asdict(config) | dataclasses.asdict(painter_config) | data)
    done = saved.resume(pair, optimizer) if saved else 0
    chances = None if weights is None else weights / weights.sum()
    half = config.batch_size // 2
    for step in range(done, config.steps):
        draw = np.random.default_rng([config.seed, step])
        rows, others = draw.choice(len(images), (2, half), p=chances)
        noise = config.noise * draw.standard_normal((half, codes.shape[1]))
        latents = np.concatenate([codes[rows] + noise, sampling.blends(half, codes, draw)]).astype(np.float32)
        with torch.no_grad():
            blurred = vae.decode(latents)
        losses = _losses(painter, critic, blurred, torch.cat([real[rows], real[others]]), config, draw)
        for group, pace in zip(optimizer.param_groups, paces.values(), strict=True):
            group["lr"] = pace * one_cycle(step, config.steps, config.learning_rate, warm_up=0.1)
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        if saved and (step + 1) % 100 == 0:
            saved.save(step + 1, pair, optimizer)
        if on_step:
            on_step(step + 1, {name: value.item() for name, value in losses.items()})
    return painter.eval()


def _losses(
    painter: Painter,
    critic: Critic,
    blurred: Tensor,
    real: Tensor,
    config: PaintingConfig,
    draw: np.random.Generator,
) -> dict[str, Tensor]:
    """The losses of both on a batch: the originals of its first half are the first half of ``real``."""
    seed, half = int(draw.integers(2**62)), len(real) // 2

    def judged(pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        # The critic sees real and painted pictures moved and recoloured alike, lest it learn the few real ones by heart
        # (Zhao et al. 2020, arXiv 2006.10738).
        moved = augment(pictures, _MOVES, torch.Generator().manual_seed(seed))
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            verdict, features = critic(moved)
        return verdict.float(), [layer.float() for layer in features]

    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        painted = painter(blurred)
    painted = painted.float()
    genuine, genuine_features = judged(real)
    fake, _ = judged(painted.detach())
    critic.requires_grad_(False)
    verdict, features = judged(painted)
    critic.requires_grad_(True)
    apart = [F.l1_loss(a[:half], b[:half].detach()) for a, b in zip(features, genuine_features, strict=True)]
    soft, softened = (F.avg_pool2d(pictures[half:], config.blur, stride=1) for pictures in (painted, blurred))
    return {
        "critic": F.relu(1 - genuine).mean() + F.relu(1 + fake).mean(),
        "critique": -config.critique * verdict.mean(),
        "restoration": config.restoration * F.l1_loss(painted[:half], real[:half]),
        "features": config.features * torch.stack(apart).mean(),
        "faithfulness": config.faithfulness * F.l1_loss(soft, softened),
    }
