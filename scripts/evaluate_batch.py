"""Measure the shipped ranker on authored questions and tweets, beside all-MiniLM-L6-v2 in the same run.

python scripts/evaluate_batch.py --corpora ../corpora
python scripts/evaluate_batch.py --split dev --no-peer --json figures.json
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from qa_emoji import evaluation, questions
from qa_emoji.catalog import Catalog
from qa_emoji.cli import one_line_errors, script_help
from qa_emoji.ranker import EmojiRanker

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@click.option("--questions", "file", type=FOLDER, default=Path("data/questions.csv"), show_default=True)
@click.option("--split", type=click.Choice(["dev", "test"]), default="test", show_default=True)
@click.option("--index", type=FOLDER, help="Another index than the shipped one.")
@click.option(
    "--corpora",
    type=FOLDER,
    envvar="QA_EMOJI_CORPORA",
    help="Folder of the corpora, for the tweets [QA_EMOJI_CORPORA].",
)
@click.option(
    "--peer/--no-peer", default=True, show_default=True, help="Beside all-MiniLM-L6-v2 (the extra `teacher`)."
)
@click.option("--json", "out", type=FOLDER, help="Write the figures here too.")
@one_line_errors
def main(file: Path, split: str, index: Path | None, corpora: Path | None, peer: bool, out: Path | None) -> None:
    catalog = Catalog.load()
    asked = questions.load(file, catalog, split)
    ranker = EmojiRanker.load(index)
    systems = {"qa-emoji": evaluation.ours(ranker), "images only": evaluation.images_only(ranker)}
    if peer:
        systems["MiniLM"] = evaluation.minilm()
    figures = []
    for name, recommend in systems.items():
        figures += evaluation.evaluate_questions(name, recommend, asked, catalog)
        if corpora:
            figures += evaluation.evaluate_tweets(name, recommend, corpora, catalog)
    click.echo(
        f"{split} split of {file}, all {len(catalog.base_forms())} base forms as candidates; "
        "mean (95% bootstrap interval)\n"
    )
    click.echo(evaluation.as_markdown(figures))
    if out:
        out.write_text(json.dumps([dataclasses.asdict(f) for f in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
