from __future__ import annotations

import numpy as np
import pytest
import torch

import vae
from vae.export import export
from vae.training import TrainingConfig, augment, elbo_loss, train

SMALL = vae.VAEConfig(width=4)


def odd_images(rng) -> np.ndarray:
    """Blank, full, black, noisy and half-transparent images."""
    shape = (4, 36, 36)
    black = np.zeros(shape)
    black[3] = 1
    return np.stack([np.zeros(shape), np.ones(shape), black, rng.random(shape), np.full(shape, 0.5)]).astype(np.float32)


def test_codes_of_every_known_and_unseen_image_are_finite(catalog, exported_vae):
    mean, logvar = exported_vae.encode(vae.images.load_twemoji(e.emoji for e in catalog))
    assert mean.shape == logvar.shape == (len(catalog), 16)
    assert np.isfinite(mean).all()
    assert np.isfinite(logvar).all()


def test_the_interface_takes_and_gives_plain_arrays():
    model = vae.ConvVAE.load()
    pictures = vae.images.load_twemoji(["🍕", "🦩"]).astype(np.float64)
    mean, logvar = (np.asarray(part) for part in model.encode(pictures))
    assert mean.shape == logvar.shape == (2, 16)
    decoded = np.asarray(model.decode(mean.astype(np.float64)))
    assert decoded.shape == (2, 4, 36, 36)
    assert decoded.min() >= 0
    assert (decoded[:, :3] <= decoded[:, 3:] + 1e-6).all()


def test_codes_of_odd_images_are_bounded(rng):
    model = vae.ConvVAE.load()
    with torch.no_grad():
        mean, logvar = model.encode(odd_images(rng))
    assert mean.abs().max() <= model.config.mean_bound
    assert logvar.min() >= model.config.logvar_range[0]
    assert logvar.max() <= model.config.logvar_range[1]


def test_the_shipped_vae_beats_pca_with_as_many_numbers(catalog):
    known = vae.images.load_twemoji(e.emoji for e in catalog.known())
    unseen = vae.images.load_twemoji(e.emoji for e in catalog.unseen() if not e.base)
    flat, centre = unseen.reshape(len(unseen), -1), known.reshape(len(known), -1).mean(0)
    _, axes = np.linalg.eigh(np.cov(known.reshape(len(known), -1).T))
    axes = axes[:, -16:]
    pca_error = np.square(flat - centre - (flat - centre) @ axes @ axes.T).mean()
    with torch.no_grad():
        error = np.square(vae.ConvVAE.load()(torch.from_numpy(unseen)).numpy() - unseen).mean()
    assert error < 0.75 * pca_error


def test_exported_and_torch_vae_agree(catalog, exported_vae, rng):
    pictures = vae.images.load_twemoji(e.emoji for e in catalog.base_forms()[:300])
    codes = rng.normal(size=(300, 16)).astype(np.float32)
    model = vae.ConvVAE.load()
    with torch.no_grad():
        for ours, reference in zip(exported_vae.encode(pictures), model.encode(pictures), strict=True):
            np.testing.assert_allclose(ours, reference.numpy(), atol=1e-4)
        np.testing.assert_allclose(exported_vae.decode(codes), model.decode(codes).numpy(), atol=1e-4)


def test_elbo_against_numpy(rng):
    model = vae.ConvVAE(SMALL).eval()
    batch = torch.from_numpy(odd_images(rng))
    loss, error, kl = elbo_loss(model, batch, 0.5, torch.Generator().manual_seed(3))
    with torch.no_grad():
        mean, logvar = (t.double().numpy() for t in model.encode(batch))
        noise = torch.empty(5, 16).normal_(generator=torch.Generator().manual_seed(3)).numpy()
        decoded = model.decode((mean + np.exp(logvar / 2) * noise).astype(np.float32)).numpy()
    expected_kl = np.mean(
        [
            0.5 * sum(m * m + np.exp(v) - 1 - v for m, v in zip(*row, strict=True))
            for row in zip(mean, logvar, strict=True)
        ]
    )
    expected_error = np.square(decoded - batch.numpy()).sum() / 5
    assert kl.item() == pytest.approx(expected_kl, rel=1e-4)
    assert error.item() == pytest.approx(expected_error, rel=1e-4)
    assert loss.item() == pytest.approx(expected_error + 0.5 * expected_kl, rel=1e-4)


def test_augmented_images_stay_premultiplied(rng):
    pictures = torch.from_numpy(vae.images.load_twemoji(["🍕", "😀", "🏳️‍🌈"] * 20))
    moved = augment(pictures, TrainingConfig(augmented=1.0, recoloured=1.0), torch.Generator().manual_seed(0))
    assert moved.shape == pictures.shape
    assert (moved[:, :3] <= moved[:, 3:] + 1e-5).all()
    assert not torch.equal(moved, pictures)


def test_a_killed_run_resumes_to_the_same_model(tmp_path):
    pictures = vae.images.load_twemoji(["🍕", "😀", "🚀", "🌈"] * 4)
    config = TrainingConfig(epochs=4, batch_size=8)

    def stop_after_two(epoch, losses):
        if epoch == 2:
            raise KeyboardInterrupt

    whole = train(pictures, model_config=SMALL, config=config)
    with pytest.raises(KeyboardInterrupt):
        train(
            pictures, model_config=SMALL, config=config, checkpoint=tmp_path / "c.safetensors", on_epoch=stop_after_two
        )
    resumed = train(pictures, model_config=SMALL, config=config, checkpoint=tmp_path / "c.safetensors")
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)
    with pytest.raises(ValueError, match="other settings"):
        train(pictures, model_config=SMALL, config=TrainingConfig(epochs=5), checkpoint=tmp_path / "c.safetensors")


def test_save_load_export(tmp_path, rng):
    model = vae.ConvVAE(SMALL).eval()
    model.save(tmp_path)
    export(model, tmp_path)
    codes = rng.normal(size=(3, 16)).astype(np.float32)
    with torch.no_grad():
        torch.testing.assert_close(vae.ConvVAE.load(tmp_path).decode(codes), model.decode(codes))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"No sound VAE weights .*pretrain_vae"):
        vae.ConvVAE.load(tmp_path)


def test_wrong_shapes_are_refused():
    model = vae.ConvVAE(SMALL)
    with pytest.raises(ValueError, match="36, 36"):
        model.encode(np.zeros((1, 3, 36, 36), np.float32))
    with pytest.raises(ValueError, match="16"):
        model.decode(np.zeros((1, 15), np.float32))
