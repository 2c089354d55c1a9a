"""Several processes learn what one does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qa_emoji.cosine import unit_rows

PROGRAM = """
import json, sys
import numpy as np
from qa_emoji import distributed
from qa_emoji.answer import emoji_id
from qa_emoji.catalog import Catalog
from qa_emoji.corpora import Pair
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoderConfig
from qa_emoji.tokenizer import Tokenizer
from qa_emoji.training import STAND_INS, Corpus, TextTrainingConfig, encode_ragged, train

WORDS = {"🍕": "pizza cheese slice", "🚀": "rocket space launch", "🐶": "dog puppy bark"}
pairs = [Pair(f"{a} {b}", (e,)) for e, words in WORDS.items() for a in words.split() for b in words.split()]
concepts = [Pair(text, (), text) for text in ("ice: snow", "cake: sweet", "car")]
rng = np.random.default_rng(0)
tokenizer = Tokenizer.train([p.text for p in pairs] * 5, 285)
losses = []
with distributed.joined():
    model = train(
        {"pairs": Corpus(pairs, unit_rows(rng.normal(size=(len(pairs), 8)))), STAND_INS: Corpus(concepts, unit_rows(rng.normal(size=(3, 8))))},
        [Catalog.load()[e] for e in WORDS],
        unit_rows(rng.normal(size=(3, 16))),
        tokenizer,
        model_config=TextEncoderConfig(
            len(tokenizer), embedding_dim=16, filters=16, hidden_dim=16, key_dim=24, emojis=tuple(map(emoji_id, WORDS)), dropout=0
        ),
        config=TextTrainingConfig(
            steps=20, batch_size=31, mixture=(("pairs", 0.8), (STAND_INS, 0.2)), siamese_batch=8, stand_ins=2, bfloat16=False
        ),
        known_teacher=unit_rows(rng.normal(size=(3, 8))),
        on_step=lambda _, each: losses.append(each),
    )
    if distributed.is_first():
        codes = encode_ragged(model, [tokenizer.encode(p.text) for p in pairs]).tolist()
        open(sys.argv[1], "w").write(json.dumps([losses, codes]))
"""  # fmt: skip


def test_two_processes_learn_what_one_does(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    (alone, codes), (shared, shared_codes) = (
        _run([*command, str(tmp_path / "program.py")], tmp_path / name)
        for name, command in (("one.json", [sys.executable]), ("two.json", launch))
    )
    assert len(alone) == len(shared) == 20
    for mine, theirs in zip(alone, shared, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)
    cosines = (unit_rows(np.array(shared_codes)) * unit_rows(np.array(codes))).sum(axis=1)
    assert cosines.min() > 0.99  # Adam's first steps make much of last digits


def _run(command: list[str], out: Path) -> tuple[list[dict[str, float]], list[list[float]]]:
    result = subprocess.run([*command, str(out)], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(out.read_text())
