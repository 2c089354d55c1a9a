"""Tables in Markdown, as GitHub reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence


def table(head: Sequence[str], rows: Iterable[Iterable[object]], *, left: Collection[str] | None = None) -> str:
    """A head, the rule below it and a line for each row; what a cell holds is escaped.

    Args:
        head: the names of the columns.
        rows: the cells, as many in each row as there are columns.
        left: names of the columns that begin at the left, as texts do; the others end at the right, as numbers do.
            The first column alone when not given.
    """
    return "\n".join(lines(head, rows, left=left))


def lines(
    head: Sequence[str], rows: Iterable[Iterable[object]], *, left: Collection[str] | None = None
) -> Iterator[str]:
    """The lines of a `table` one by one, each row asked for when it is its turn: for rows that take long to make."""
    left = head[:1] if left is None else left
    yield "|" + "".join(f" {_escaped(name)} |" if name else " |" for name in head)
    yield "|" + "".join("---|" if name in left else "---:|" for name in head)
    for row in rows:
        yield f"| {' | '.join(_escaped(str(cell)) for cell in row)} |"


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split())
