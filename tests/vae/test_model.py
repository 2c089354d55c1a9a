from __future__ import annotations

import numpy as np
import pytest
import torch

import vae
from vae.export import export
from vae.training import Meaning, TrainingConfig, arrangement_loss, augment, elbo_loss, train

SMALL = vae.VAEConfig(width=4)


def odd_images(rng) -> np.ndarray:
    """Blank, full, black, noisy and half-transparent images."""
    shape = (4, 36, 36)
    black = np.zeros(shape)
    black[3] = 1
    return np.stack([np.zeros(shape), np.ones(shape), black, rng.random(shape), np.full(shape, 0.5)]).astype(np.float32)


@pytest.mark.parametrize(("steps", "every"), [(0, 1), (4, 50)])
def test_codes_of_known_and_unseen_images_are_finite(steps, every, catalog, exported_vae):
    emojis = catalog.emojis[::every]
    mean, logvar = exported_vae.encode(vae.images.load_twemoji(e.emoji for e in emojis), steps=steps)
    assert mean.shape == logvar.shape == (len(emojis), 16)
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


def test_refinement_brings_new_images_nearer(exported_vae, catalog):
    unseen = vae.images.load_twemoji([e.emoji for e in catalog.unseen() if not e.base][::12])
    errors = [
        np.square(exported_vae.decode(exported_vae.encode(unseen, steps=steps)[0]) - unseen).mean() for steps in (0, 2)
    ]
    assert errors[1] < 0.95 * errors[0]


def test_exported_and_torch_vae_agree(catalog, exported_vae, rng):
    pictures = vae.images.load_twemoji(e.emoji for e in catalog.base_forms()[:300])
    codes = rng.normal(size=(300, 16)).astype(np.float32)
    model = vae.ConvVAE.load()
    with torch.no_grad():
        for steps, n, tolerance in ((0, 300, 1e-4), (2, 20, 1e-2)):
            both = exported_vae.encode(pictures[:n], steps=steps), model.encode(pictures[:n], steps=steps)
            for ours, reference in zip(*both, strict=True):
                np.testing.assert_allclose(ours, reference.numpy(), atol=tolerance)
        np.testing.assert_allclose(exported_vae.decode(codes), model.decode(codes).numpy(), atol=1e-4)


def test_elbo_against_numpy(rng):
    model = vae.ConvVAE(SMALL).eval()
    batch = torch.from_numpy(odd_images(rng))
    loss, error, kl, means = elbo_loss(model, batch, 0.5, torch.Generator().manual_seed(3))
    with torch.no_grad():
        mean, logvar = (t.double().numpy() for t in model.posterior(batch))
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
    np.testing.assert_allclose(means.detach().numpy(), mean, rtol=1e-5)


def test_arrangement_loss_against_numpy(rng):
    means, bank = rng.normal(size=(5, 16)), rng.normal(size=(7, 16))
    affinity = rng.random((5, 7))
    cosine = means @ bank.T / np.linalg.norm(means, axis=1)[:, None] / np.linalg.norm(bank, axis=1)
    powers = np.exp(cosine / 0.3)
    chances = powers / powers.sum(1, keepdims=True)
    expected = -np.mean([(a / a.sum() * np.log(c)).sum() for a, c in zip(affinity, chances, strict=True)])
    loss = arrangement_loss(*(torch.from_numpy(x) for x in (means, bank, affinity)), 0.3)
    assert loss.item() == pytest.approx(expected)


def test_arranged_codes_lie_with_what_they_belong_to():
    pictures = vae.images.load_twemoji(["🍕", "😀", "🚀", "🌈", "🐱", "⚽"] * 4)
    meaning = Meaning(np.tile(np.arange(6), 4), np.kron(np.eye(3), np.ones((2, 2))).astype(np.float32))
    means = {}
    for arrangement in (0.0, 3000.0):
        config = TrainingConfig(epochs=30, batch_size=12, arrangement=arrangement)
        model = train(pictures, model_config=SMALL, config=config, meaning=meaning)
        means[arrangement] = torch.nn.functional.normalize(model.encode(pictures[:6], steps=0)[0]).numpy()
    together = {a: np.mean([m[i] @ m[i + 1] for i in (0, 2, 4)]) for a, m in means.items()}
    assert together[3000.0] > together[0.0] + 0.2
    with pytest.raises(ValueError, match="arranged by a meaning"):
        train(pictures, model_config=SMALL, config=TrainingConfig(arrangement=1.0))


def test_augmented_images_stay_premultiplied(rng):
    pictures = torch.from_numpy(vae.images.load_twemoji(["🍕", "😀", "🏳️‍🌈"] * 20))
    moved = augment(pictures, TrainingConfig(augmented=1.0, recoloured=1.0), torch.Generator().manual_seed(0))
    assert moved.shape == pictures.shape
    assert (moved[:, :3] <= moved[:, 3:] + 1e-5).all()
    assert not torch.equal(moved, pictures)


def test_a_killed_run_resumes_to_the_same_model(tmp_path):
    pictures = vae.images.load_twemoji(["🍕", "😀", "🚀", "🌈"] * 4)
    config = TrainingConfig(epochs=4, batch_size=8, arrangement=1.0)
    meaning = Meaning(np.tile(np.arange(4), 4), np.eye(4, dtype=np.float32))

    def stop_after_two(epoch, losses):
        if epoch == 2:
            raise KeyboardInterrupt

    options = {"model_config": SMALL, "meaning": meaning}
    whole = train(pictures, config=config, **options)
    with pytest.raises(KeyboardInterrupt):
        train(pictures, config=config, checkpoint=tmp_path / "c.safetensors", on_epoch=stop_after_two, **options)
    resumed = train(pictures, config=config, checkpoint=tmp_path / "c.safetensors", **options)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)
    with pytest.raises(ValueError, match="other settings"):
        train(pictures, config=TrainingConfig(epochs=5), checkpoint=tmp_path / "c.safetensors", **options)


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
