"""Build data/emojis.csv from an unpacked npm package emojibase-data.

npm pack emojibase-data@17.0.0 && tar xzf emojibase-data-17.0.0.tgz
python scripts/build_catalog.py package --out data/emojis.csv
"""

from __future__ import annotations

from pathlib import Path

import click

from qa_emoji import emojibase
from qa_emoji.cli import one_line_errors, script_help


@click.command(help=script_help(__doc__))
@click.argument("package", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("data/emojis.csv"), show_default=True)
@one_line_errors
def main(package: Path, out: Path) -> None:
    catalog = emojibase.read(package)
    catalog.save(out)
    known, unseen = catalog.base_forms("known"), catalog.base_forms("unseen")
    click.echo(
        f"{out}: {len(catalog)} emojis; {len(known) + len(unseen)} base forms, "
        f"{len(known)} known and {len(unseen)} unseen"
    )


if __name__ == "__main__":
    main()
