"""An evaluation as Markdown, JSON, Parquet and a self-contained HTML page."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qa_emoji import markdown
from qa_emoji.evaluation import plots, runs
from qa_emoji.evaluation.figures import HUBNESS, MACRO_F1, Difference, Figure
from qa_emoji.evaluation.runs import UNSEEN_SHARE, Miss
from qa_emoji.evaluation.suite import Evaluation

NAME = "evaluation"  # of the files, before .json, .md, .parquet and .html
BRIEF = ("hit@1", "hit@5", "R-precision@5", f"MRR@{runs.DEPTH}", UNSEEN_SHARE, HUBNESS)
BRIEF_LABELS = (MACRO_F1, "accuracy", "accuracy@1", "accuracy@3", "accuracy@5", "AUC")

INTERVALS = "Mean over questions and 95% bootstrap interval; of hubness the skewness and its jackknife interval."
PAIRED = "95% intervals of the differences are paired, question by question; p is two-sided, of no difference."

TEXTS = {"questions", "topic", "measure", "difference", "text", "accepted", "answered"}  # columns that are no numbers

Row = list[str]


def as_markdown(figures: Iterable[Figure]) -> str:
    """A table with a row for each kind and measure and a column for each system."""
    return _markdown(*figure_table(figures))


def differences_as_markdown(differences: Sequence[Difference]) -> str:
    """A table with a row for each difference."""
    return _markdown(*difference_table(differences))


def brief(figures: Iterable[Figure]) -> list[Figure]:
    """The figures for a README: of questions, rankings by kind; of labels, macro-F1 and accuracy."""
    figures = list(figures)
    labelled = {f.kind for f in figures if f.measure in BRIEF_LABELS}
    return [f for f in figures if f.measure in (BRIEF_LABELS if f.kind in labelled else BRIEF)]


def summary(found: Evaluation) -> str:
    """The whole report as Markdown: figures, differences, topics and misses."""
    parts = ["# Evaluation", _about(found), as_markdown(found.figures)]
    if found.differences:
        parts += ["## Differences on the same questions", PAIRED, differences_as_markdown(found.differences)]
    if found.topics:
        parts += ["## By topic", _markdown(*topic_table(found.topics))]
    if found.misses:
        parts += [f"## The {len(found.misses)} worst misses", _markdown(*miss_table(found.misses))]
    return "\n\n".join(parts) + "\n"


def prepare(folder: str | Path) -> None:
    """Make a folder for `save`, and raise now what it would raise after the work: ModuleNotFoundError without the
    extra, OSError for a folder that cannot be made."""
    _check_extra()
    Path(folder).mkdir(parents=True, exist_ok=True)


def save(found: Evaluation, folder: str | Path) -> list[Path]:
    """Write evaluation.json, .md, .parquet and .html into a folder, made when missing; returns the files."""
    prepare(folder)
    files = [Path(folder) / f"{NAME}{suffix}" for suffix in (".json", ".md", ".parquet", ".html")]
    files[0].write_text(json.dumps(as_dict(found), ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    files[1].write_text(summary(found), "utf-8")
    runs.save(found.run, files[2])
    files[3].write_text(as_html(found), "utf-8")
    return files


def as_dict(found: Evaluation) -> dict[str, Any]:
    """The evaluation as JSON holds it, the run under "questions"."""
    return {
        "about": found.about,
        "figures": [_record(dataclasses.asdict(f)) for f in found.figures],
        "topics": [_record(dataclasses.asdict(f)) for f in found.topics],
        "differences": [_record(dataclasses.asdict(d)) for d in found.differences],
        "questions": [_record(row) for row in found.run.to_dict("records")],
    }


def as_html(found: Evaluation) -> str:
    """One page with everything in it: tables, and plots as SVG."""
    _check_extra()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    systems = list(dict.fromkeys(found.run["system"]))
    return environment.get_template("report.html").render(
        about=found.about,
        systems=systems,
        sets=[(str(name), part["row"].nunique()) for name, part in found.run.groupby("dataset", sort=False)],
        figures=figure_table(found.figures),
        plots=plots.all_of(found),
        differences=difference_table(found.differences),
        topics=topic_table(found.topics),
        misses=found.misses,
        hubs=most_answered(found),
        intervals=INTERVALS,
        paired=PAIRED,
    )


def most_answered(found: Evaluation, n: int = 12) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """For the first set of questions: each system, its number of questions, and the emojis most often in its first ten
    with their counts."""
    first = found.run[found.run["dataset"] == found.run["dataset"].iloc[0]]
    return [
        (str(system), len(part), list(part["answers"].explode().dropna().value_counts().head(n).items()))
        for system, part in first.groupby("system", sort=False)
    ]


def figure_table(figures: Iterable[Figure]) -> tuple[Row, list[Row]]:
    """A head and rows: questions, n, measure, and each system with its interval."""
    figures = list(figures)
    systems = list(dict.fromkeys(f.system for f in figures))
    rows = []
    for kind, measure in dict.fromkeys((f.kind, f.measure) for f in figures):
        row = {f.system: f for f in figures if (f.kind, f.measure) == (kind, measure)}
        cells = [_interval(row[s]) if s in row else "" for s in systems]
        rows.append([kind, str(next(iter(row.values())).n), measure, *cells])
    return ["questions", "n", "measure", *systems], rows


def topic_table(topics: Sequence[Figure]) -> tuple[Row, list[Row]]:
    """A head and rows: topic, n, measure and each system; the topics in which the first system is worst come first."""
    if not topics:
        return [], []
    measure = topics[0].measure
    first = {f.kind: f.value for f in topics if f.system == topics[0].system and f.measure == measure}
    head, rows = figure_table(sorted(topics, key=lambda f: first[f.kind]))
    return ["topic", *head[1:]], rows


def difference_table(differences: Sequence[Difference]) -> tuple[Row, list[Row]]:
    """A head and rows of differences with interval and p-value."""
    rows = [
        [
            d.kind,
            str(d.n),
            d.measure,
            f"{d.system} − {d.other}",
            f"{d.value:+.3f} ({d.low:+.3f} to {d.high:+.3f})",
            f"{d.p:.3f}" if d.p >= 0.0005 else "< 0.001",
        ]
        for d in differences
    ]
    return ["questions", "n", "measure", "difference", "95% interval", "p"], rows


def miss_table(misses: Sequence[Miss]) -> tuple[Row, list[Row]]:
    """A head and rows: text, topic, what is accepted, what was answered, and at which rank an accepted one came."""
    rows = [
        [m.question.text, m.question.category, " ".join(m.question.emojis), " ".join(m.answers), str(m.rank or "none")]
        for m in misses
    ]
    return ["text", "topic", "accepted", "answered", "rank of the first accepted"], rows


def _check_extra() -> None:
    for module in ("jinja2", "matplotlib", "pyarrow"):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"A report needs {module}, of the extra: pip install 'qa-emoji[evaluate]'.")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    """A row with null for numbers that JSON does not have."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


def _about(found: Evaluation) -> str:
    said = "\n".join(f"- {name}: {value}" for name, value in found.about.items())
    return f"{said}\n\n{INTERVALS}"


def _interval(figure: Figure) -> str:
    between = " to " if figure.low < 0 else "-"
    return f"{figure.value:.3f} ({figure.low:.3f}{between}{figure.high:.3f})"


def _markdown(head: Row, rows: Iterable[Row]) -> str:
    return markdown.table(head, rows, left=TEXTS)
