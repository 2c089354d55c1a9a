"""Answer three questions with known and unseen emojis and four that are drawn on the spot, and write a contact sheet.

python scripts/demo.py --out demo.png
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import EmojiRanker
from qa_emoji.cli import one_line_errors, script_help, table
from vae.images import contact_sheet

QUESTIONS = ("Where shall we go this summer?", "I burnt the toast again", "Happy birthday, grandma!")
FRESH = 4


@click.command(help=script_help(__doc__))
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/demo.png"), show_default=True)
@one_line_errors
def main(out: Path) -> None:
    ranker = EmojiRanker.load()
    pictures, labels = [], []
    for question in QUESTIONS:
        answers = ranker.rank(question, k=6, fresh=FRESH)
        click.echo(f"\n{question}\n{table(answers)}")
        drawn = [answer for answer in answers if answer.source == "generated"]
        pictures += [answer.image() for answer in drawn]
        labels += [answer.name for answer in drawn]
    out.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(pictures, columns=FRESH, scale=4, labels=labels).save(out)
    click.echo(f"\nThe {len(pictures)} emojis that nobody has drawn, a row for each question: {out.resolve()}")


if __name__ == "__main__":
    main()
