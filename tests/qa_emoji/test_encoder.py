from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from qa_emoji import paths, questions
from qa_emoji.cosine import unit_rows
from qa_emoji.encoder import TextEncoder, TextEncoderConfig, pad
from qa_emoji.runtime import ExportedEncoder, ExportedVAE
from qa_emoji.tokenizer import PAD, Tokenizer


@pytest.fixture(scope="module")
def texts(catalog) -> list[str]:
    asked = [q.text for q in questions.load("data/questions.csv", catalog)][:980]
    return [
        *asked,
        *["️", "�", "\x00", "🍕", "🏿", "مرحبا", "你好", "@x", "#AbcDef"],
        "a" * 10**6,
        "x y " * 5000,
        *["hi"] * 9,
    ]


def test_exported_and_torch_encoders_agree(texts, encoder):
    model, tokenizer = TextEncoder.load()
    assert len(texts) >= 1000
    with torch.no_grad():
        reference = unit_rows(torch.cat([model(pad([tokenizer.encode(text)])) for text in texts]).numpy())
    np.testing.assert_allclose(encoder.encode(texts), reference, atol=1e-5)


def test_a_code_does_not_change_with_its_batch_mates(texts, encoder):
    together = encoder.encode(texts)
    for row in range(0, len(texts), 41):
        np.testing.assert_allclose(encoder.encode([texts[row]])[0], together[row], atol=1e-6)


def test_a_code_does_not_change_with_padding():
    model, _ = TextEncoder.load()
    ids = torch.tensor([[5, 9, 300]])
    padded = torch.nn.functional.pad(ids, (0, 40), value=PAD)
    with torch.no_grad():
        torch.testing.assert_close(model(padded), model(ids), atol=1e-6, rtol=0)


def test_the_encoder_against_a_naive_one():
    config = TextEncoderConfig(vocabulary=20, embedding_dim=5, widths=(1, 3), filters=4, hidden_dim=6, code_dim=3)
    model = TextEncoder(config).eval()
    with torch.no_grad():
        model.salience.weight.normal_()
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 2)
    ids = [7, 3, 11, 2]
    weights = {name: value.detach().numpy() for name, value in model.named_parameters()}
    embedded = np.concatenate([weights["embedding.weight"][ids], np.zeros((2, 5))])  # (T + 2, E)
    pooled = []
    for number, width in enumerate(config.widths):
        kernel, bias = weights[f"convolutions.{number}.weight"], weights[f"convolutions.{number}.bias"]
        windows = [
            sum(kernel[:, 5 * offset : 5 * offset + 5] @ embedded[at + offset] for offset in range(width)) + bias
            for at in range(len(ids))
        ]
        pooled.append(np.max(windows, axis=0))
    shares = np.exp(weights["salience.weight"][ids, 0])
    pooled.append(shares @ embedded[: len(ids)] / shares.sum())
    expected = np.concatenate(pooled)
    for layer in [*model.hidden, *model.code]:
        name = type(layer).__name__
        if name == "BatchNorm1d":
            spread = np.sqrt(layer.running_var.numpy() + layer.eps)
            expected = (expected - layer.running_mean.numpy()) / spread
        elif name == "Linear":
            expected = layer.weight.detach().numpy() @ expected + layer.bias.detach().numpy()
        elif name == "Tanh":
            expected = np.tanh(expected)
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.tensor([ids]))[0].numpy(), expected, atol=1e-5)


def test_codes_are_unit_rows(encoder):
    codes = encoder.encode(["hello", "🍕", "\x00"])
    assert codes.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, 16)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "foreign"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.model"])
def test_damaged_weights_are_refused(tmp_path, name, damage):
    folder = tmp_path / "weights"
    shutil.copytree(paths.encoder_weights(), folder)
    path = folder / name
    content = {
        "empty": b"",
        "truncated": path.read_bytes()[: path.stat().st_size // 2],
        "foreign": b"PK\x03\x04 something else",
    }
    path.unlink() if damage == "missing" else path.write_bytes(content[damage])
    with pytest.raises(ValueError, match=name):
        ExportedEncoder(folder)


def test_each_file_is_read_once(tmp_path, encoder, monkeypatch):
    """So what is loaded is what the fingerprint is of, also when another version takes its place meanwhile."""
    folder = tmp_path / "weights"
    shutil.copytree(paths.encoder_weights(), folder)
    read_bytes = Path.read_bytes

    def read_and_replaced(path):
        content = read_bytes(path)
        path.write_bytes(b"another version")
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_replaced)
    loaded = ExportedEncoder(folder)
    monkeypatch.undo()
    assert {(folder / name).read_bytes() for name in ExportedEncoder.files} == {b"another version"}
    assert loaded.sha256 == encoder.sha256
    np.testing.assert_array_equal(loaded.encode(["hello", "🍕"]), encoder.encode(["hello", "🍕"]))


def test_the_tokenizer_of_another_encoder_is_refused(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(paths.encoder_weights(), folder)
    Tokenizer.train(["some other words of another text"] * 9, 275).save(folder)
    with pytest.raises(ValueError, match="275 pieces and the encoder"):
        ExportedEncoder(folder)


def test_pieces_set_out_with_meanings_and_frequencies():
    model = TextEncoder(TextEncoderConfig(vocabulary=4, embedding_dim=3))
    vectors = torch.arange(12.0).reshape(4, 3)
    model.start_from(vectors, torch.tensor([0.0, np.log(0.001), np.log(0.003), -40.0]))
    assert model.embedding.weight[PAD].tolist() == [0, 0, 0]
    assert torch.equal(model.embedding.weight[1:], vectors[1:])
    np.testing.assert_allclose(model.salience.weight[1:, 0].exp().detach(), [1 / 2, 1 / 4, 1], atol=1e-6)


def test_mismatched_torch_weights_are_refused(tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(paths.encoder_weights(), folder)
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("128", "64"))
    with pytest.raises(ValueError, match=r"No sound text encoder weights .*train_encoder"):
        TextEncoder.load(folder)


def test_a_missing_vae_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"config\.json is missing; scripts/pretrain_vae\.py"):
        ExportedVAE(tmp_path)


def test_a_code_does_not_change_with_what_was_asked_before(texts, encoder):
    fresh = ExportedEncoder()
    for text in (texts[3], texts[1], texts[2]):
        np.testing.assert_array_equal(fresh.encode([text]), encoder.encode([text]))
    some = ExportedEncoder().encode(texts[:50])
    np.testing.assert_array_equal(fresh.encode(texts[:50]), some)
