"""Figures of what the VAE and the ranker do, each an RGB picture: sheets of emojis and plots.

Emojis are shown on white. An image is (4, 36, 36) float32 as of `vae.images`, ``draw`` and ``decode`` take codes
(n, 16) to images (n, 4, 36, 36). Plots need matplotlib, of the extra ``train``.
"""

from __future__ import annotations

import functools
import io
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from qa_emoji.answer import Answer, emoji_id
from qa_emoji.catalog import Catalog, Emoji
from qa_emoji.ranker import EmojiRanker
from qa_emoji.runtime import ExportedVAE
from vae import images, sampling

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[np.ndarray], np.ndarray]

QUESTIONS = (
    "I burnt the toast again",
    "a party under water",
    "my train is late and it is snowing",
    "who let the dog sleep in my bed?",
    "robots dancing on the moon",
    "grandma bakes the best apple pie",
    "so tired after the night shift",
    "a dragon that loves ice cream",
)
PAIRS = (("😀", "😡"), ("🍎", "🍋"), ("🐶", "🦊"), ("🚗", "🚌"), ("🌞", "🌙"), ("💚", "🌸"), ("⚽", "🌍"))
SHOWN = 12  # known emojis, and unseen ones, beside their reconstructions
NEW = 64

_SCALE = 2
_CELL = images.SIZE * _SCALE
_STEP = _CELL + 4  # from one picture to the next
_MARGIN = 12
_INK, _GREY = "#222222", "#777777"
_COLOURS = ("#3566b0", "#d9822b", "#8a8a8a")
_FILLED = 0.6  # share of a map's cells that hold an emoji
_DRAWS = 20_000  # for histograms


def figures(
    ranker: EmojiRanker,
    catalog: Catalog,
    load: Callable[[Sequence[Emoji]], np.ndarray],
    *,
    seed: int = 0,
    points: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Callable[[], Image.Image]]:
    """Every figure by the name of its file, to be called when wanted.

    Args:
        ranker: whose index tells the codes of emojis, so that few images are encoded.
        catalog: emojis that are in it and in the index are shown.
        load: the images of emojis, (n, 4, 36, 36).
        seed: the same one gives the same figures.
        points: of the trade-off, as `read_points` gives them; without any it has no figure.
    """
    vae = ranker.vae
    real = [a for a in ranker.index.answers if a.emoji and a.emoji in catalog and a.latent is not None]
    known, unseen = ([a for a in real if a.source == source] for source in ("known", "unseen"))
    if not known:
        raise ValueError("The figures need an index with known emojis of the catalogue.")
    means, ids = _latents(known), {a.id for a in real}
    pairs = [pair for pair in PAIRS if ids.issuperset(map(emoji_id, pair))]

    @functools.cache
    def loaded() -> dict[str, np.ndarray]:
        return dict(zip((a.id for a in real), load([catalog[a.emoji] for a in real if a.emoji]), strict=True))

    def originals(answers: Sequence[Answer]) -> np.ndarray:
        return images.stack(loaded()[a.id] if a.id in ids else vae.draw(_latents([a]))[0] for a in answers)

    def ends(of: int) -> np.ndarray:
        return images.stack(loaded()[emoji_id(pair[of])] for pair in pairs)

    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    def of_grid(pattern: str) -> Callable[[], Image.Image]:
        return lambda: grid(vae.draw, pattern, dim=means.shape[1])

    every = {
        "reconstructions.png": lambda: reconstructions(
            vae, originals(_evenly(known, SHOWN)), originals(_evenly(unseen, SHOWN))
        ),
        **{f"grid_{pattern.lower()}.png": of_grid(pattern) for pattern in sampling.PATTERNS},
        "percentiles.png": lambda: percentiles(vae.draw, means, rng()),
        "interpolations.png": lambda: interpolations(vae, ends(0), ends(1)),
        "latents.png": lambda: histograms(means, vae.encode(originals(known), steps=0)[1], rng()),
        "map.png": lambda: emoji_map(_latents(real), originals(real)),
        "fresh.png": lambda: fresh(ranker, QUESTIONS, originals, seed=seed),
        "new.png": lambda: new(vae.draw, ranker.draw(NEW, seed=seed)),
        "trade_off.png": lambda: trade_off(points),
    }
    without = {"trade_off.png": not points, "interpolations.png": not pairs}
    return {name: draw for name, draw in every.items() if not without.get(name)}


def save(picture: Image.Image, path: Path, *, most: int = 400_000) -> None:
    """Write an RGB picture as a PNG, of as many colours as leave it at ``most`` bytes, but no fewer than 32."""
    for colours in (None, 256, 128, 64, 32):
        content = io.BytesIO()
        shown = picture if colours is None else picture.quantize(colours, dither=Image.Dither.NONE)
        shown.save(content, "PNG", optimize=True)
        if content.tell() <= most:
            break
    path.write_bytes(content.getvalue())


def reconstructions(vae: ExportedVAE, known: np.ndarray, unseen: np.ndarray, *, columns: int = 6) -> Image.Image:
    """Originals above what is decoded of their refined codes and above what is painted: known left, unseen right.

    ``known`` and ``unseen`` are (n, 4, 36, 36).
    """
    sheet, label, block = _Sheet(), 130, 3 * _STEP + 20
    for side, (title, originals) in enumerate((("known", known), ("unseen, newer than the training", unseen))):
        x = label + side * (columns * _STEP + 28)
        sheet.text(title, (x, 0))
        if not len(originals):
            continue
        codes = vae.encode(originals)[0]
        for row, shown in enumerate((originals, vae.decode(codes), vae.draw(codes))):
            for at in range(0, len(shown), columns):
                sheet.row(shown[at : at + columns], (x, 30 + at // columns * block + row * _STEP))
    for at in range(-(-max(len(known), len(unseen)) // columns)):
        for row, name in enumerate(("original", "decoded", "painted")):
            sheet.text(name, (0, 30 + at * block + row * _STEP + _CELL // 2 - 11), ink=_GREY)
    return sheet.drawn()


def grid(draw: Draw, pattern: str, *, ticks: int = 20, dim: int = 16, bound: float = 2.0) -> Image.Image:
    """What is drawn of `sampling.grid`: x from -bound at the top to bound, y from -bound at the left to bound."""
    sheet, size = _Sheet(), max(14, round(ticks * 1.7))
    shown = draw(sampling.grid(pattern, ticks, dim, bound=bound))
    words = f"Pattern {pattern}, {sampling.PATTERNS[pattern]}: x from {-bound:g} to {bound:g} downwards, y to the right"
    sheet.text(words, (0, 0), size)
    for row in range(ticks):
        sheet.row(shown[row * ticks : (row + 1) * ticks], (0, size * 2 + row * _STEP))
    return sheet.drawn()


def percentiles(
    draw: Draw, means: np.ndarray, generator: np.random.Generator, *, n: int = 20, axes: int = 4, rows: int = 4
) -> Image.Image:
    """Evenly spaced percentiles of codes (m, d): along principal axes, n to a row, and of all dimensions at once."""
    sheet, label, size = _Sheet(), 170, 30
    sheet.text("Percentiles along one principal axis", (0, 0), size)
    for axis in range(axes):
        y = 50 + axis * _STEP
        sheet.text(f"axis {axis + 1}", (0, y + _CELL // 2 - size // 2), size, ink=_GREY)
        sheet.row(draw(sampling.percentile_strip(n, means, axis=axis)), (label, y))
    y = 50 + axes * _STEP + 20
    sheet.text("Percentiles of all dimensions at once", (0, y), size)
    shown = draw(sampling.percentiles(n * rows, means, generator))
    sheet.text("all axes", (0, y + 50 + _CELL // 2 - size // 2), size, ink=_GREY)
    for row in range(rows):
        sheet.row(shown[row * n : (row + 1) * n], (label, y + 50 + row * _STEP))
    return sheet.drawn()


def interpolations(vae: ExportedVAE, first: np.ndarray, second: np.ndarray, *, n: int = 10) -> Image.Image:
    """From each of the ``first`` images to that of the ``second``, (m, 4, 36, 36) each, by spherical interpolation.

    Originals are at both ends, and n pictures between them from the reconstruction of one to that of the other.
    """
    sheet = _Sheet()
    codes = vae.encode(np.concatenate([first, second]))[0].reshape(2, len(first), -1)
    for row in range(len(first)):
        y = row * (_STEP + 8)
        sheet.row(first[row : row + 1], (0, y))
        sheet.row(vae.draw(sampling.interpolation(n, codes[0, row], codes[1, row])), (_STEP + 20, y))
        sheet.row(second[row : row + 1], ((n + 1) * _STEP + 40, y))
    return sheet.drawn()


def histograms(means: np.ndarray, logvars: np.ndarray, generator: np.random.Generator) -> Image.Image:
    """The aggregate posterior of (m, d) means and log-variances, dimension by dimension, against the prior N(0, 1)."""
    codes = sampling.aggregate_posterior(_DRAWS, means, logvars, generator)  # (n, d)
    finite = np.isfinite(codes).all(axis=1)
    bound = max(4.0, float(np.quantile(np.abs(codes[finite]), 0.999))) if finite.any() else 4.0
    bins, x = np.linspace(-bound, bound, 61), np.linspace(-bound, bound, 201)
    figure = _figure(9, 7.2)
    panels = figure.subplots(-(-codes.shape[1] // 4), 4, sharex=True, sharey=True, squeeze=False).ravel()
    for dimension, axes in enumerate(panels):
        if dimension >= codes.shape[1]:
            axes.set_visible(False)
            continue
        drawn, mean = codes[finite, dimension], means[np.isfinite(means).all(axis=1), dimension]
        axes.hist(drawn, bins, density=True, color=_COLOURS[0], alpha=0.55, label="aggregate posterior")
        axes.hist(mean, bins, density=True, histtype="step", color=_COLOURS[2], label="posterior means")
        axes.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=_COLOURS[1], lw=1.8, label="prior N(0, 1)")
        axes.set_title(f"{dimension}: mean {drawn.mean():+.2f}, sd {drawn.std():.2f}", fontsize=10)
        axes.set_yticks([])
    of = f"{len(codes):,} codes of the aggregate posterior of {len(means):,} emojis"
    figure.suptitle(f"{of}, {np.floor(finite.mean() * 1000) / 10:g}% of them finite")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return _rendered(figure)


def emoji_map(latents: np.ndarray, shown: np.ndarray, *, cell: int = 26) -> Image.Image:
    """Emojis, (n, 4, 36, 36), where their codes, (n, d), fall on the two axes of most variance.

    From the middle outwards each takes the cell that is free nearest to its place, so that none hides another.
    """
    centred = latents - latents.mean(axis=0)
    _, deviations, axes = np.linalg.svd(centred, full_matrices=False)
    spread = np.square(deviations)
    places = centred @ axes[:2].T  # (n, 2)
    side = int(np.ceil(np.sqrt(len(places) / _FILLED)))
    places -= places.min(axis=0)
    places *= (side - 1) / places.max(axis=0).clip(1e-12)
    free = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1).reshape(-1, 2)
    sheet, top = _Sheet(), 60
    share = spread[:2].sum() / spread.sum()
    sheet.text(f"{len(places):,} codes on the two axes of most variance, {share:.0%} of it", (0, 0), 30)
    for at in np.argsort(np.square(places - (side - 1) / 2).sum(axis=1), kind="stable"):
        nearest = int(np.square(free - places[at]).sum(axis=1).argmin())
        x, y = free[nearest] * cell
        free = np.delete(free, nearest, axis=0)
        sheet.picture(images.to_pil(shown[at]).resize((cell - 2, cell - 2), Image.Resampling.LANCZOS), (x, top + y))
    return sheet.drawn()


def fresh(
    ranker: EmojiRanker,
    questions: Sequence[str],
    originals: Callable[[Sequence[Answer]], np.ndarray],
    *,
    best: int = 3,
    n: int = 6,
    seed: int = 0,
) -> Image.Image:
    """A row for each question: its text, the images of the ``best`` real answers, and n emojis drawn for it.

    ``originals`` gives the images, (k, 4, 36, 36), of k answers.
    """
    sheet, width, gap = _Sheet(), 300, 24
    sheet.text("best answers", (width, 0), ink=_GREY)
    sheet.text("drawn for the question", (width + best * _STEP + gap, 0), ink=_GREY)
    for row, question in enumerate(questions):
        y = 36 + row * (_STEP + 8)
        lines = textwrap.wrap(question, 24)
        sheet.text("\n".join(lines), (0, y + _CELL // 2 - 14 * len(lines)))
        sheet.row(originals(ranker.rank(question, k=best)), (width, y))
        if drawn := ranker.draw(n, about=question, seed=seed):
            sheet.row(ranker.vae.draw(_latents(drawn)), (width + best * _STEP + gap, y))
    return sheet.drawn()


def new(draw: Draw, drawn: Sequence[Answer], *, columns: int = 8) -> Image.Image:
    """New emojis side by side; ValueError when there are none."""
    if not drawn:
        raise ValueError("The VAE drew nothing new that was worth showing.")
    shown = draw(_latents(drawn))
    sheet = _Sheet()
    for at in range(0, len(shown), columns):
        sheet.row(shown[at : at + columns], (0, at // columns * _STEP))
    return sheet.drawn()


def read_points(path: Path) -> list[dict[str, Any]]:
    """The points of a trade-off, a list of dicts, from JSON; none when there is no such file.

    Raises ValueError for a file of something else.
    """
    if not path.is_file():
        return []
    try:
        points = json.loads(path.read_text(encoding="utf-8"))
        if not all({"arrangement", "augmented", "second_style"} <= point.keys() for point in points):
            raise ValueError("a point lacks its settings")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} has no points of a trade-off ({error}); scripts/trade_off.py makes them.") from error
    return list(points)


def trade_off(points: Sequence[Mapping[str, Any]]) -> Image.Image:
    """Reconstruction, neighbours and ranking at each strength of arrangement; points trained otherwise stand apart."""
    strengths = sorted({point["arrangement"] for point in points})
    panels = {
        "Mean squared error": {"unseen": "MSE unseen", "validation": "MSE validation"},
        "10 neighbours: own subgroup": {"known": "neighbours known", "unseen": "neighbours unseen"},
        "R-precision@5, dev known": {"": "dev known R-precision@5"},
    }
    kinds = {  # marker, line and the points
        "plain": ("o", "-", [p for p in points if not p["second_style"] and p["augmented"]]),
        "with a second style": ("s", "", [p for p in points if p["second_style"]]),
        "without augmentation": ("D", "", [p for p in points if not p["second_style"] and not p["augmented"]]),
    }
    figure = _figure(9.5, 3.6)
    for axes, (title, series) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for colour, (label, name) in zip(_COLOURS, series.items(), strict=False):
            for marker, line, chosen in kinds.values():
                ordered = sorted(chosen, key=lambda point: point["arrangement"])
                x, y = [strengths.index(p["arrangement"]) for p in ordered], [_value(p, name) for p in ordered]
                hollow = "white" if marker != "o" else colour
                axes.plot(x, y, line, marker=marker, color=colour, mfc=hollow, ms=7 if line else 8, mew=1.8, zorder=3)
            axes.plot([], [], color=colour, lw=3, label=label)
        axes.set(title=title, xlabel="strength of arrangement", xlim=(-0.4, len(strengths) - 0.6))
        axes.set_xticks(range(len(strengths)), [f"{strength:g}" for strength in strengths])
        axes.grid(axis="y", color="#dddddd")
        if len(series) > 1:
            axes.legend(frameon=False)
    _mark_kinds(figure, {name: marker for name, (marker, _, chosen) in kinds.items() if chosen})
    return _rendered(figure)


class _Sheet:
    """Pictures and texts put at places on white; it is as large as what lies on it."""

    def __init__(self) -> None:
        self._pictures: list[tuple[Image.Image, tuple[int, int]]] = []
        self._texts: list[tuple[str, tuple[int, int], Any, str]] = []

    def picture(self, picture: Image.Image, place: tuple[int, int]) -> None:
        self._pictures.append((picture, (int(place[0]) + _MARGIN, int(place[1]) + _MARGIN)))

    def row(self, shown: np.ndarray, place: tuple[int, int]) -> None:
        """Images side by side from a place on, enlarged."""
        for column, image in enumerate(shown):
            large = images.to_pil(image).resize((_CELL, _CELL), Image.Resampling.NEAREST)
            self.picture(large, (place[0] + column * _STEP, place[1]))

    def text(self, text: str, place: tuple[int, int], size: int = 22, ink: str = _INK) -> None:
        font = ImageFont.load_default(size=size)
        self._texts.append((text, (place[0] + _MARGIN, place[1] + _MARGIN), font, ink))

    def drawn(self) -> Image.Image:
        """The sheet, RGB."""
        pen = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        boxes = [pen.multiline_textbbox(place, text, font=font) for text, place, font, _ in self._texts]
        boxes += [(x, y, x + p.width, y + p.height) for p, (x, y) in self._pictures]
        size = (int(max(box[2] for box in boxes)) + _MARGIN, int(max(box[3] for box in boxes)) + _MARGIN)
        sheet = Image.new("RGBA", size, "white")
        for picture, place in self._pictures:
            sheet.alpha_composite(picture, place)
        pen = ImageDraw.Draw(sheet)
        for text, place, font, ink in self._texts:
            pen.multiline_text(place, text, fill=ink, font=font)
        return sheet.convert("RGB")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _rendered(figure: Figure) -> Image.Image:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _mark_kinds(figure: Figure, markers: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], ls="", marker=marker, color=_INK, mfc=_INK if marker == "o" else "white", mew=1.8, label=name)
        for name, marker in markers.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def _value(point: Mapping[str, Any], name: str) -> float:
    """A figure by its name, whatever number of questions stands behind it in parentheses; NaN when there is none."""
    return next((float(v) for k, v in point.items() if k == name or k.startswith(f"{name} (")), np.nan)


def _evenly(answers: Sequence[Answer], n: int) -> list[Answer]:
    """At most n of them, evenly spaced."""
    return [answers[i] for i in np.unique(np.linspace(0, len(answers) - 1, n).round().astype(int))] if answers else []


def _latents(answers: Sequence[Answer]) -> np.ndarray:
    return np.stack([answer.latent for answer in answers if answer.latent is not None])
