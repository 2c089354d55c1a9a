"""Build an index of every base form of the catalogue and of emojis that nobody has drawn.

python scripts/rebuild_index.py indexes/default
python scripts/rebuild_index.py /tmp/mine --images my-pngs/ --generated 0
"""

from __future__ import annotations

from qa_emoji.cli import build, script_help

if __name__ == "__main__":
    build.help = script_help(__doc__)
    build()
