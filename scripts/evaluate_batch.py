"""Measure the ranker on questions with their accepted emojis, and beside what people would pick instead.

python scripts/evaluate_batch.py data/questions.csv --suite --corpora ../corpora --out build/suite
python scripts/evaluate_batch.py data/questions.csv --suite --peer keywords --peer random
python scripts/evaluate_batch.py mine.csv --text message --accepted answers --compare build/before/evaluation.parquet
"""

from __future__ import annotations

import click

from qa_emoji.cli import script_help
from qa_emoji.evaluation_cli import evaluate

main = click.Command("evaluate_batch", params=evaluate.params, callback=evaluate.callback, help=script_help(__doc__))

if __name__ == "__main__":
    main()
