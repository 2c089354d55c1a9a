from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import torch

import vae
from qa_emoji import paths
from qa_emoji.runtime import ExportedVAE
from vae import judge, painting
from vae.export import export_judge, export_painter
from vae.painter import Critic, Painter, PainterConfig

TINY = PainterConfig(width=4)
CONFIG = painting.PaintingConfig(steps=120, batch_size=8)


@pytest.fixture(scope="module")
def pictures():
    return vae.images.load_twemoji(["🍕", "😀", "🚀", "🌈", "🐱", "🎂", "⚽", "🚗"])


def test_painted_pictures_are_premultiplied_and_of_one_size(pictures):
    with torch.no_grad():
        painted = Painter(TINY).eval()(torch.from_numpy(pictures))
    assert painted.shape == pictures.shape
    assert painted.min() >= 0
    assert (painted[:, :3] <= painted[:, 3:] + 1e-6).all()


def test_the_critic_judges_regions(pictures):
    verdict, features = Critic(width=4)(torch.from_numpy(pictures))
    assert verdict.shape == (8, 1, 4, 4)
    assert [f.shape[1] for f in features] == [4, 8, 16]


def test_a_killed_run_resumes_to_the_same_painter(pictures, tmp_path):
    model, codes = vae.ConvVAE.load(), np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    short = dataclasses.replace(CONFIG, steps=104)

    def stop(step, losses):
        if step == 102:
            raise KeyboardInterrupt

    options = {"painter_config": TINY, "config": short}
    whole = painting.train(model, pictures, codes, **options)
    with pytest.raises(KeyboardInterrupt):
        painting.train(model, pictures, codes, checkpoint=tmp_path / "c.safetensors", on_step=stop, **options)
    resumed = painting.train(model, pictures, codes, checkpoint=tmp_path / "c.safetensors", **options)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


def test_the_painter_learns_to_restore(pictures):
    model = vae.ConvVAE.load()
    codes = model.encode(pictures, steps=0)[0].numpy()
    losses = []
    painting.train(
        model,
        pictures,
        codes,
        painter_config=TINY,
        config=CONFIG,
        on_step=lambda _, now: losses.append(now["restoration"]),
    )
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])


def test_the_judge_learns_kinds_and_how_sure_it_is(pictures, tmp_path):
    many = np.concatenate([pictures] * 3)
    kinds = ["food", "face", "travel", "sky", "animal", "food", "sport", "travel"] * 3
    held_out = np.arange(24) >= 16
    judged, accuracy = judge.train(many, kinds, held_out, steps=60, batch_size=16)
    assert accuracy == 1
    assert judged.config.kinds == ("animal", "face", "food", "sky", "sport", "travel")
    features, chances = judged(torch.from_numpy(pictures))
    assert features.shape == (8, 64)
    np.testing.assert_allclose(chances.sum(1).detach(), 1, rtol=1e-5)
    sure = chances.amax(1).detach().numpy()
    assert judged.config.recognised_above == pytest.approx(np.quantile(sure, 0.1), abs=1e-3)
    judged.save(tmp_path)
    again = judge.Judge.load(tmp_path)
    assert again.config == judged.config
    export_judge(again, tmp_path)
    assert (tmp_path / "judge.onnx").stat().st_size > 1_000


def test_a_painter_is_saved_loaded_and_exported(tmp_path, pictures):
    painter = Painter(TINY).eval()
    painter.save(tmp_path)
    again = Painter.load(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(again(torch.from_numpy(pictures)), painter(torch.from_numpy(pictures)))
    export_painter(again, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"No sound painter weights .*train_painter"):
        Painter.load(tmp_path)


def test_shipped_painter_and_judge_are_those_exported(exported_vae, pictures):
    tensor = torch.from_numpy(pictures)
    codes = exported_vae.encode(pictures, steps=0)[0]
    with torch.no_grad():
        painted = Painter.load()(vae.ConvVAE.load().decode(codes)).numpy()
        features, chances = (part.numpy() for part in judge.Judge.load()(tensor))
    np.testing.assert_allclose(exported_vae.draw(codes), painted, atol=1e-4)
    for ours, reference in zip(exported_vae.judge(pictures), (features, chances), strict=True):
        np.testing.assert_allclose(ours, reference, atol=1e-3)
    assert exported_vae.recognised(pictures).tolist() == (chances.max(1) >= exported_vae.recognised_above).tolist()


def test_what_is_missing_to_draw_names_the_script_that_makes_it(tmp_path):
    for name in ExportedVAE.files:
        shutil.copy(paths.vae_weights() / name, tmp_path)
    with pytest.raises(ValueError, match=r"painter\.onnx is missing; scripts/train_painter\.py makes it"):
        _ = ExportedVAE(tmp_path).drawing_sha256
    with pytest.raises(ValueError, match=r"No sound judge weights .*train_painter"):
        judge.Judge.load(tmp_path)
