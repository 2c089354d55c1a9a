"""The seed's own experiment: airline tweets to 🎉 😈 😡 by triplets and a hinge with margin 0.2.

python scripts/airline_experiment.py --corpora ../corpora
python scripts/airline_experiment.py --corpora ../corpora --seeds 1 --outside
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from qa_emoji import airline, paths, text_jobs
from qa_emoji.cli import corpora_option, one_line_errors, progress, script_help
from qa_emoji.index import EmojiIndex

FOLDER = click.Path(path_type=Path)


@click.command(help=script_help(__doc__))
@corpora_option
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings to average over.")
@click.option("--outside", is_flag=True, help="On other tweets than the reported ones, to choose a configuration by.")
@click.option("--peer/--no-peer", default=True, show_default=True, help="Beside a linear SVM (scikit-learn).")
@one_line_errors
def main(corpora: Path, seeds: int, outside: bool, peer: bool) -> None:
    started = time.monotonic()
    tweets = airline.load(corpora)
    with progress("train", unit="step") as step:
        rows = text_jobs.airline_experiment(
            tweets,
            EmojiIndex.load(paths.default_index()),
            seeds=range(seeds),
            outside=outside,
            peer=peer,
            on_step=step,
        )
    click.echo(f"{airline.TRAIN} tweets to train on of {airline.SAMPLE}; the margin is {airline.MARGIN}.\n")
    click.echo(text_jobs.as_markdown(rows))
    click.echo(f"\n{time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
