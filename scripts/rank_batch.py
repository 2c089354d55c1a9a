"""Answer every row of a file, or of all files of a folder, with emojis; the same as `qa-emoji batch`.

python scripts/rank_batch.py questions.csv answers.csv --column question -k 3
python scripts/rank_batch.py shards/ answers/ --engine ray --workers 8
"""

from __future__ import annotations

import click

from qa_emoji.batch_cli import batch
from qa_emoji.cli import script_help

main = click.Command("rank_batch", params=batch.params, callback=batch.callback, help=script_help(__doc__))

if __name__ == "__main__":
    main()
