"""Build an index of every base form of the catalogue and of emojis that nobody has drawn.

python scripts/rebuild_index.py indexes/default
python scripts/rebuild_index.py /tmp/mine --images my-pngs/ --generated 0 --dry-run
"""

from __future__ import annotations

import click

from qa_emoji.cli import build, script_help

main = click.Command("rebuild_index", params=build.params, callback=build.callback, help=script_help(__doc__))

if __name__ == "__main__":
    main()
