"""The `qa-emoji sample` commands: the ways of `vae.sampling`, drawn on a sheet, good and bad pictures alike."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from vae import sampling

if TYPE_CHECKING:
    from qa_emoji.ranker import EmojiRanker

_PATH = click.Path(path_type=Path)
_DIM = 16


@click.group()
def sample() -> None:
    """Draw latent codes in one of several ways and write what the VAE makes of them, unsifted, to a PNG.

    \b
    qa-emoji sample prior -n 64 --seed 7
    qa-emoji sample between 🐱 🚀 --out cat-to-rocket.png
    """


def _sheet(command: Callable[..., tuple[np.ndarray, int]]) -> Callable[..., None]:
    """Options that all ways share; what the command gives, latent codes and how many to a row, is drawn."""

    @click.option("--seed", type=int, default=0, show_default=True)
    @click.option("--out", type=_PATH, default=Path("sample.png"), show_default=True, help="The sheet.")
    @click.option("--index", type=_PATH, help="An index folder; the shipped one when not given.")
    @functools.wraps(command)
    def wrapped(seed: int, out: Path, index: Path | None, **options: Any) -> None:
        from qa_emoji.cli import one_line_errors
        from qa_emoji.ranker import EmojiRanker
        from vae.images import contact_sheet, to_pil

        @one_line_errors
        def draw() -> None:
            ranker = EmojiRanker.load(index)
            codes, columns = command(ranker=ranker, generator=np.random.default_rng(seed), **options)
            pictures = [to_pil(picture) for picture in ranker.vae.draw(codes)]
            contact_sheet(pictures, columns=columns, scale=2).save(out)
            click.echo(f"Pictures: {out}")

        draw()

    return wrapped


_n_option = click.option("-n", type=click.IntRange(1, 2_000), default=64, show_default=True, help="How many.")


@sample.command()
@_n_option
@_sheet
def prior(n: int, ranker: EmojiRanker, generator: np.random.Generator) -> tuple[np.ndarray, int]:
    """Codes of N(0, I), the prior.

    \b
    qa-emoji sample prior -n 64
    """
    return sampling.prior(n, _DIM, generator), 16


@sample.command()
@_n_option
@_sheet
def posterior(n: int, ranker: EmojiRanker, generator: np.random.Generator) -> tuple[np.ndarray, int]:
    """Codes of the aggregate posterior: around those of the index's emojis.

    \b
    qa-emoji sample posterior -n 64
    """
    means = _latents(ranker)
    logvars = ranker.vae.encode(ranker.vae.decode(means), steps=0)[1]
    return sampling.aggregate_posterior(n, means, logvars, generator), 16


@sample.command()
@_n_option
@click.option("--axis", type=click.IntRange(0, _DIM - 1), help="Along this principal axis alone.")
@_sheet
def percentiles(
    n: int, axis: int | None, ranker: EmojiRanker, generator: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Codes at evenly spaced percentiles of the inverse CDF of the emojis' codes.

    \b
    qa-emoji sample percentiles -n 64
    qa-emoji sample percentiles -n 20 --axis 0
    """
    means = _latents(ranker)
    if axis is None:
        return sampling.percentiles(n, means, generator), 16
    return sampling.percentile_strip(n, means, axis=axis), 20


@sample.command()
@click.option("--ticks", type=click.IntRange(2, 40), default=12, show_default=True, help="Values of each.")
@_sheet
def sweep(ticks: int, ranker: EmojiRanker, generator: np.random.Generator) -> tuple[np.ndarray, int]:
    """Codes of N(mu, sd^2 I): a row for each mu in [-3, 3], a column for each sd in [0, 3].

    \b
    qa-emoji sample sweep --ticks 20
    """
    return sampling.sweep(np.linspace(-3, 3, ticks), np.linspace(0, 3, ticks), _DIM, generator), ticks


@sample.command()
@click.argument("pattern", type=click.Choice(list(sampling.PATTERNS)))
@click.option("--ticks", type=click.IntRange(2, 40), default=20, show_default=True, help="Codes along each side.")
@click.option("--jitter", is_flag=True, help="Draw each code anywhere in its cell.")
@_sheet
def grid(
    pattern: str, ticks: int, jitter: bool, ranker: EmojiRanker, generator: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Codes on the seed's grid over [-2, 2]^2, composed by PATTERN A, B or C.

    \b
    qa-emoji sample grid A
    """
    return sampling.grid(pattern, ticks, _DIM, generator if jitter else None), ticks


@sample.command()
@click.argument("first")
@click.argument("second")
@click.option("-n", type=click.IntRange(2, 200), default=12, show_default=True, help="How many.")
@_sheet
def between(
    first: str, second: str, n: int, ranker: EmojiRanker, generator: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Codes on the way from the emoji FIRST to the emoji SECOND.

    \b
    qa-emoji sample between 🐱 🚀
    """
    return sampling.interpolation(n, ranker.latent(first), ranker.latent(second)), n


@sample.command()
@click.argument("text")
@_n_option
@click.option("--spread", type=float, default=0.4, show_default=True, help="Length of the noise on a unit vector.")
@_sheet
def around(
    text: str, n: int, spread: float, ranker: EmojiRanker, generator: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Codes around the direction of a TEXT.

    \b
    qa-emoji sample around "a party under water" -n 16
    """
    direction, lengths = ranker.direction(text), np.linalg.norm(_latents(ranker), axis=1)
    return sampling.around(direction, generator.choice(lengths, n), spread, generator), 16


def _latents(ranker: EmojiRanker) -> np.ndarray:
    return np.stack([a.latent for a in ranker.index.answers if a.emoji and a.latent is not None])
