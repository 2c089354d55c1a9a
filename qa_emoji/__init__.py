"""Answer a text question with emojis.

>>> from qa_emoji import EmojiRanker
>>> [str(answer) for answer in EmojiRanker.load().rank("Who wants pizza?", k=1)]
['🍕']

The classes are imported when they are first asked for: ``import qa_emoji`` alone costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_emoji.answer import Answer
    from qa_emoji.index import EmojiIndex
    from qa_emoji.ranker import EmojiRanker
    from qa_emoji.text_ranker import TextAnswer, TextRanker

__all__ = ["Answer", "EmojiIndex", "EmojiRanker", "TextAnswer", "TextRanker"]

_HOMES = {
    "Answer": "qa_emoji.answer",
    "EmojiIndex": "qa_emoji.index",
    "EmojiRanker": "qa_emoji.ranker",
    "TextAnswer": "qa_emoji.text_ranker",
    "TextRanker": "qa_emoji.text_ranker",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'qa_emoji' has no attribute {name!r}")
