"""Plots of an evaluation, each an SVG in a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_emoji import metrics
from qa_emoji.evaluation.figures import KINDS, MACRO_F1, Figure
from qa_emoji.evaluation.runs import DEPTH, judge

if TYPE_CHECKING:
    import pandas as pd

    from qa_emoji.evaluation.suite import Evaluation

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774", "#cb912f")
_MOST_TOPICS = 64
_WIDTH = 9.0  # inches


@dataclass(frozen=True)
class Plot:
    """A title, what the plot shows in words, and the picture as a data URI."""

    title: str
    caption: str
    uri: str


def all_of(found: Evaluation) -> list[Plot]:
    """The plots that this evaluation has the figures for."""
    first = found.run[found.run["dataset"] == found.run["dataset"].iloc[0]]
    drawn = [_compared(found.figures), _by_depth(first), _occurrences(first)]
    if found.topics:
        drawn.append(_topics(found.topics))
    return drawn


def _compared(figures: Sequence[Figure]) -> Plot:
    """Each kind of question with every system's hit@5 and R-precision@5, or macro-F1 and accuracy, and intervals."""
    measured = {(f.kind, f.measure) for f in figures}
    panels = []
    for kind in dict.fromkeys(f.kind for f in figures):
        ranked = (
            ("hit@1", "hit@5", "R-precision@5")
            if (kind, MACRO_F1) not in measured
            else (MACRO_F1, "accuracy@1", "accuracy@5")
        )
        chosen = ranked if (kind, ranked[0]) in measured else ("accuracy", "AUC")
        panels.append((kind, chosen))
    systems = _systems(figures)
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = _figure(_WIDTH, 0.6 + (0.55 + 0.14 * len(systems) * 3) * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis, (kind, chosen) in zip(axes.ravel(), panels, strict=False):
        shown = [f for f in figures if f.kind == kind]
        asked = _systems(shown)
        step = len(asked) + 1
        for f in shown:
            if f.measure in chosen:
                at, colour = -(chosen.index(f.measure) * step + asked.index(f.system)), _colour(systems.index(f.system))
                axis.plot([f.low, f.high], [at, at], color=colour, linewidth=2, solid_capstyle="butt")
                axis.plot([f.value], [at], "o", color=colour, markersize=4)
        axis.set_yticks([-(place * step + (len(asked) - 1) / 2) for place in range(len(chosen))], chosen)
        axis.set_ylim(-len(chosen) * step + 1, 1)
        axis.set_xlim(-0.02, 1.02)
        axis.set_title(f"{kind} (n = {shown[0].n:,})", fontsize=9)
        axis.grid(axis="x", alpha=0.3)
    for axis in axes.ravel()[len(panels) :]:
        axis.set_visible(False)
    _legend(figure, systems)
    return Plot("Systems compared", "Each measure and its 95% interval.", _uri(figure))


def _by_depth(run: pd.DataFrame) -> Plot:
    """hit@k for k from 1 to 10."""
    systems = list(dict.fromkeys(run["system"]))
    kinds = [kind for kind in KINDS if kind in set(run["kind"])]
    figure = _figure(_WIDTH, 3.2)
    axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    depths = np.arange(1, DEPTH + 1)
    for axis, kind in zip(axes, kinds, strict=True):
        for number, system in enumerate(systems):
            part = run[(run["system"] == system) & (run["kind"] == kind)]
            judged = judge(part["answers"], part["accepted"])
            hits = [metrics.hit_at_k(judged, int(k)).mean() for k in depths]
            axis.plot(depths, hits, "o-", color=_colour(number), markersize=3, linewidth=1.5)
        axis.set_title(f"{kind} (n = {len(part):,})", fontsize=9)
        axis.set_xticks(depths)
        axis.set_xlabel("k")
        axis.set_ylim(-0.02, 1.02)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("hit@k")
    _legend(figure, systems)
    return Plot("How deep one must look", "Share of questions with an accepted answer among the first k.", _uri(figure))


def _occurrences(run: pd.DataFrame) -> Plot:
    """How often the candidates are among the first ten, from the most frequent down."""
    figure = _figure(_WIDTH, 3.0)
    axis = figure.subplots()
    systems = list(dict.fromkeys(run["system"]))
    for number, system in enumerate(systems):
        part = run[run["system"] == system]
        counts = part["answers"].explode().dropna().value_counts().to_numpy()
        ends = "o" if len(counts) <= DEPTH else ""
        axis.plot(np.arange(1, len(counts) + 1), counts / len(part), ends + "-", color=_colour(number), markersize=3)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("candidates, the most answered first")
    axis.set_ylabel("share of questions")
    axis.grid(alpha=0.3)
    _legend(figure, systems)
    caption = (
        f"For how many questions each candidate is among the first {DEPTH}, where it ever is. High on the left: hubs."
    )
    return Plot("Hubs", caption, _uri(figure))


def _topics(topics: Sequence[Figure]) -> Plot:
    """The first system by topic with intervals, the others as dots; the worst topic first."""
    measure, systems = topics[0].measure, _systems(topics)
    mine = sorted((f for f in topics if (f.system, f.measure) == (systems[0], measure)), key=lambda f: f.value)
    mine = mine[:_MOST_TOPICS]
    at = {f.kind: -place for place, f in enumerate(mine)}
    figure = _figure(_WIDTH, 0.9 + 0.17 * len(mine))
    axis = figure.subplots()
    for number, system in enumerate(systems):
        shown = [f for f in topics if (f.system, f.measure) == (system, measure) and f.kind in at]
        places = [at[f.kind] for f in shown]
        if number == 0:
            axis.hlines(places, [f.low for f in shown], [f.high for f in shown], color=_colour(0), linewidth=2)
        axis.plot([f.value for f in shown], places, "o", color=_colour(number), markersize=5 if number == 0 else 3)
    axis.set_yticks([at[f.kind] for f in mine], [f"{f.kind} ({f.n})" for f in mine], fontsize=7)
    axis.set_ylim(-len(mine) + 0.3, 0.7)
    axis.set_xlim(-0.02, 1.02)
    axis.set_xlabel(measure)
    axis.grid(alpha=0.3)
    _legend(figure, systems)
    caption = f"{measure} of each topic (number of questions), the interval for {systems[0]} alone."
    return Plot("Topics", caption, _uri(figure))


def _systems(figures: Sequence[Figure]) -> list[str]:
    return list(dict.fromkeys(f.system for f in figures))


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height), layout="constrained")


def _legend(figure: Any, systems: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_colour(number), marker="o", markersize=4) for number in range(len(systems))]
    figure.legend(handles, systems, loc="outside upper center", ncols=min(len(systems), 7), frameon=False, fontsize=7.5)


def _uri(figure: Any) -> str:
    """The figure as a data URI; equal figures give equal ones."""
    from matplotlib import rc_context

    content = io.BytesIO()
    with rc_context({"svg.hashsalt": "qa-emoji"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(content.getvalue()).decode("ascii")
