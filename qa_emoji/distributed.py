"""Training on several processes, as `torchrun` starts them: each does the same, with a part of every batch.

A process encodes its part of the texts, and all of them put the parts together. What follows, normalisation over the
batch and the losses among all its texts, every process computes of the whole batch: so the loss, and after the mean
over processes the gradients too, are those of a single process with the same batch.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

_PATIENCE = datetime.timedelta(hours=12)  # the first process may have a million texts read to it before the others


@contextmanager
def joined() -> Iterator[None]:
    """Join the other processes, when `torchrun` has started some."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield
        dist.barrier()  # none leaves while another still talks to it
    finally:
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this is the process that writes and tells: the first, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


@contextmanager
def first_alone() -> Iterator[None]:
    """What is done here the first process does before the others do: these find what it left on the disk."""
    if not dist.is_initialized():
        yield
        return
    if dist.get_rank() > 0:
        dist.barrier()
    yield
    if dist.get_rank() == 0:
        dist.barrier()


def part(rows: Sequence) -> Sequence:
    """This process's part of some rows: all parts are of one length, so that the last rows may be the first again."""
    if not dist.is_initialized():
        return rows
    each = -(-len(rows) // dist.get_world_size())
    start = dist.get_rank() * each
    return [rows[i % len(rows)] for i in range(start, start + each)]


def together(parts: Tensor, n: int) -> Tensor:
    """The n rows that `part` gave out, (n, ...), from each process's own, with gradients back to them."""
    if not dist.is_initialized():
        return parts
    from torch.distributed.nn.functional import all_gather

    return torch.cat(list(all_gather(parts)))[:n]
