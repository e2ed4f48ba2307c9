import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from actionunits.datasets.crops.crop_data import STORED_MARGIN
from actionunits.datasets.sampling.augment import (
    AugmentConfig,
    Geometry,
    apply_geometry,
    apply_geometry_to_landmarks,
    apply_geometry_to_mesh,
    augment,
    center_crop,
    change_appearance,
    draw_geometry,
    still_geometry,
)
from actionunits.faces.landmarks import MESH_TO_68
from actionunits.faces.mean_face import template_landmarks
from actionunits.faces.mirror import LANDMARK_MIRROR, MESH_MIRROR
from actionunits.models.batch import Batch


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


def smooth_images(rows, size=128, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.random((rows, 3, 8, 8)).astype(np.float32)
    return torch.nn.functional.interpolate(torch.from_numpy(coarse), (size, size), mode="bicubic").clamp(0, 1)


def labelled_batch(rows=6, mesh=False, seed=0, points=False):
    rng = np.random.default_rng(seed)
    return Batch(
        image=smooth_images(rows, seed=seed),
        au_present=torch.from_numpy(rng.integers(0, 2, (rows, 4)).astype(np.float32)),
        au_present_valid=torch.from_numpy(rng.random((rows, 4)) < 0.5),
        au_intensity=torch.from_numpy(rng.uniform(0, 5, (rows, 4)).astype(np.float32)),
        au_intensity_valid=torch.from_numpy(rng.random((rows, 4)) < 0.5),
        mesh=torch.from_numpy(rng.uniform(0.2, 0.8, (rows, 478, 3)).astype(np.float32)) if mesh else None,
        mesh_valid=torch.ones(rows, dtype=torch.bool) if mesh else None,
        anchor=smooth_images(rows, seed=seed + 1) if points else None,
        landmarks=torch.from_numpy(rng.uniform(0.2, 0.8, (rows, 68, 2)).astype(np.float32)) if points else None,
    )


def geometry(flip=False, rotation_deg=0.0, zoom=1.0, shift=(0.0, 0.0)):
    return Geometry(
        torch.tensor([flip]),
        torch.tensor([np.deg2rad(rotation_deg)], dtype=torch.float32),
        torch.tensor([zoom]),
        torch.tensor([shift]),
    )


def test_still_geometry_is_the_exact_centre():
    image = torch.rand(3, 3, 128, 128)
    centre = image[:, :, 8:120, 8:120]
    torch.testing.assert_close(apply_geometry(image, still_geometry(3), 112), centre, atol=1e-4, rtol=0)
    assert torch.equal(center_crop(Batch(image), 112).image, centre)


def test_centre_crop_at_another_scale_shows_the_same_view():
    image = smooth_images(2)
    small = center_crop(Batch(image), 56).image
    reference = torch.nn.functional.interpolate(image[:, :, 8:120, 8:120], (56, 56), mode="bilinear")
    torch.testing.assert_close(small, reference, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("change", "opencv"),
    [
        (geometry(rotation_deg=13), cv2.getRotationMatrix2D((55.5, 55.5), -13, 1)),
        (geometry(zoom=1.1), cv2.getRotationMatrix2D((55.5, 55.5), 0, 1.1)),
        (geometry(shift=(0.05, -0.03)), np.array([[1, 0, 5.6], [0, 1, -3.36]])),
        (geometry(flip=True), np.array([[-1, 0, 111.0], [0, 1, 0]])),
        (geometry(True, 10, 0.95), cv2.getRotationMatrix2D((55.5, 55.5), -10, 0.95) @ np.diag([-1, 1, 1])
         + np.hstack([np.zeros((2, 2)), cv2.getRotationMatrix2D((55.5, 55.5), -10, 0.95)[:, :1] * 111])),
    ],
)  # fmt: skip
def test_geometry_against_opencv(change, opencv):
    image = smooth_images(1)
    ours = apply_geometry(image, change, 112)[0].permute(1, 2, 0).numpy()
    # From stored pixels: first to the plain crop, then the change.
    matrix = opencv @ np.array([[1, 0, -8], [0, 1, -8], [0, 0, 1.0]])
    picture = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())
    theirs = cv2.warpAffine(picture, matrix, (112, 112), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(ours - theirs).max() < 0.02 and np.abs(ours - theirs).mean() < 1e-3


def test_mesh_moves_with_the_picture(generator):
    config = AugmentConfig(flip=0.5, zoom=0.15, shift=0.08)
    drawn = draw_geometry(16, config, generator)
    point = torch.rand(16, 2, generator=generator) * 0.5 + 0.25
    grid = (torch.arange(128) + 0.5) / 128
    distance = (grid[None, None, :] - point[:, 0, None, None]) ** 2 + (
        grid[None, :, None] - point[:, 1, None, None]
    ) ** 2
    image = torch.exp(-distance / (2 * 0.02**2))[:, None].repeat(1, 3, 1, 1)
    moved = apply_geometry(image, drawn, 112)[:, 0]
    row = moved.flatten(1).argmax(1)
    seen = torch.stack([row % 112, row // 112], 1) / 112 + 0.5 / 112
    mesh = torch.cat([point, torch.full((16, 1), 0.1)], 1)[:, None].repeat(1, 478, 1)
    told = apply_geometry_to_mesh(mesh, drawn)
    torch.testing.assert_close(told[:, 0, :2], seen, atol=0.006, rtol=0)
    torch.testing.assert_close(told[:, 0, 2], 0.1 * (1 + 2 * STORED_MARGIN) * drawn.zoom, atol=1e-5, rtol=0)


def test_a_flip_swaps_left_and_right_points():
    mesh = torch.rand(1, 478, 3)
    flipped = apply_geometry_to_mesh(mesh, geometry(flip=True), margin=0.0)
    mirrored = torch.stack([1 - mesh[..., 0], mesh[..., 1], mesh[..., 2]], -1)
    torch.testing.assert_close(flipped[:, MESH_MIRROR], mirrored)
    again = apply_geometry_to_mesh(flipped, geometry(flip=True), margin=0.0)
    torch.testing.assert_close(again, mesh)


def test_mirrored_landmarks_are_the_mean_face_and_the_meshs_pairs():
    assert (LANDMARK_MIRROR[LANDMARK_MIRROR] == np.arange(68)).all()
    face = template_landmarks()
    mirrored = np.stack([1 - face[:, 0], face[:, 1]], -1)[LANDMARK_MIRROR]
    # No other pairing comes closer: the mean face is nearly symmetric.
    assert (np.linalg.norm(mirrored[:, None] - face[None], axis=-1).argmin(1) == np.arange(68)).all()
    mesh = np.array(MESH_TO_68)
    same = mesh[LANDMARK_MIRROR] == MESH_MIRROR[mesh]
    assert same[17:].sum() >= 49  # the two tables were made apart


@pytest.mark.parametrize("seed", range(8))
def test_landmarks_move_like_the_mesh_and_the_unknown_ones_stay_unknown(seed):
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = draw_geometry(5, AugmentConfig(), generator)
    points = torch.from_numpy(rng.uniform(0, 1, (5, 68, 2)).astype(np.float32))
    moved = apply_geometry_to_landmarks(points, drawn)
    mesh = torch.zeros(5, 478, 3)
    mesh[:, :68, :2] = points
    as_mesh = apply_geometry_to_mesh(mesh, Geometry(**{**vars(drawn), "flip": drawn.flip & False}))[:, :68, :2]
    kept = ~drawn.flip
    torch.testing.assert_close(moved[kept], as_mesh[kept])
    unknown = torch.from_numpy(rng.random((5, 68)) < 0.3)
    partly = apply_geometry_to_landmarks(points.masked_fill(unknown[..., None], torch.nan), drawn)
    expected = torch.where(drawn.flip[:, None], unknown[:, torch.from_numpy(LANDMARK_MIRROR)], unknown)
    assert torch.equal(partly.isnan().any(-1), expected)
    torch.testing.assert_close(partly[~expected], moved[~expected])


def test_a_flip_swaps_left_and_right_landmarks():
    points = torch.rand(1, 68, 2)
    flipped = apply_geometry_to_landmarks(points, geometry(flip=True), margin=0.0)
    mirrored = torch.stack([1 - points[..., 0], points[..., 1]], -1)
    torch.testing.assert_close(flipped[:, LANDMARK_MIRROR], mirrored)
    torch.testing.assert_close(apply_geometry_to_landmarks(flipped, geometry(flip=True), margin=0.0), points)


def test_mirror_pairs_are_the_corners_of_eyes_and_mouth_and_the_irises():
    assert (MESH_MIRROR[MESH_MIRROR] == np.arange(478)).all()
    for right, left in ((33, 263), (133, 362), (61, 291), (159, 386), (468, 473), (105, 334), (1, 1), (152, 152)):
        assert MESH_MIRROR[right] == left and MESH_MIRROR[left] == right


@pytest.mark.parametrize("points", [False, True])
def test_labels_never_change(points, generator):
    batch = labelled_batch(mesh=True, points=points)
    config = AugmentConfig(flip=1, blur=1, noise=1, erase=1, grey=1, low_resolution=1)
    changed = augment(batch, 112, generator, config)
    for name in ("au_present", "au_present_valid", "au_intensity", "au_intensity_valid", "mesh_valid"):
        assert torch.equal(getattr(changed, name), getattr(batch, name))
    assert changed.image.shape == (6, 3, 112, 112)
    assert changed.image.min() >= 0 and changed.image.max() <= 1


def test_the_generator_decides_everything():
    batch = labelled_batch(mesh=True)
    before = batch.image.clone()
    first, second = (augment(batch, 112, torch.Generator().manual_seed(8)) for _ in range(2))
    other = augment(batch, 112, torch.Generator().manual_seed(9))
    assert torch.equal(first.image, second.image) and torch.equal(first.mesh, second.mesh)
    assert not torch.equal(first.image, other.image)
    assert torch.equal(batch.image, before)  # the stored crops are left alone


def test_an_anchor_gets_the_same_geometry_and_the_same_appearance(generator):
    batch = labelled_batch(12, points=True)
    same = replace(batch, anchor=batch.image.clone())
    changed = augment(same, 112, generator, AugmentConfig(noise=0))
    torch.testing.assert_close(changed.anchor, changed.image)
    assert not torch.equal(changed.image, center_crop(batch, 112).image)
    # Noise is the sensor's: as strong in both, and not the same.
    noisy = augment(same, 112, torch.Generator().manual_seed(3), AugmentConfig(noise=1, erase=0, blur=0))
    difference = (noisy.anchor - noisy.image).abs().amax((1, 2, 3))
    assert (difference > 1e-3).sum() >= 10


def test_an_anchor_does_not_change_what_the_image_becomes():
    batch = labelled_batch(12, mesh=True, points=True)
    config = AugmentConfig(noise=0)
    alone, both = (
        augment(b, 112, torch.Generator().manual_seed(8), config)
        for b in (replace(batch, anchor=None, landmarks=None), batch)
    )
    torch.testing.assert_close(both.image, alone.image, atol=1e-5, rtol=0)
    assert torch.equal(both.mesh, alone.mesh) and alone.anchor is None and alone.landmarks is None
    assert both.anchor.shape == both.image.shape and not torch.equal(both.anchor, both.image)


def test_pixels_that_are_equal_in_frame_and_anchor_stay_equal(generator):
    image, anchor = smooth_images(16), smooth_images(16, seed=1)
    anchor[..., :40, :] = image[..., :40, :]  # an unmoved forehead above another mouth
    pair = torch.cat([image, anchor], 1)
    changed = change_appearance(pair, AugmentConfig(noise=0, blur=0, low_resolution=0), generator)
    torch.testing.assert_close(changed[:, :3, :40], changed[:, 3:, :40])


def test_points_move_alike_with_and_without_pixels():
    batch = labelled_batch(mesh=True, points=True)
    blind = replace(batch, image=torch.zeros(6, 3, 0, 0), anchor=None)
    seen, unseen = (augment(b, 112, torch.Generator().manual_seed(4)) for b in (batch, blind))
    assert torch.equal(seen.landmarks, unseen.landmarks) and torch.equal(seen.mesh, unseen.mesh)
    assert unseen.image.shape == (6, 3, 0, 0)


def test_centre_crop_takes_anchor_and_landmarks_along():
    batch = labelled_batch(points=True)
    plain = center_crop(batch, 112)
    assert torch.equal(plain.image, batch.image[:, :, 8:120, 8:120])
    assert torch.equal(plain.anchor, batch.anchor[:, :, 8:120, 8:120])
    torch.testing.assert_close(plain.landmarks * 112, batch.landmarks * 128 - 8, atol=1e-4, rtol=0)
    small = center_crop(batch, 56)
    torch.testing.assert_close(small.anchor, center_crop(Batch(batch.anchor), 56).image)
    torch.testing.assert_close(small.landmarks, plain.landmarks)


OFF = AugmentConfig(
    shift=0, rotation_deg=0, zoom=0, flip=0, brightness=0, contrast=0, saturation=0, gamma=0,
    grey=0, blur=0, noise=0, low_resolution=0, erase=0,
)  # fmt: skip


def only(**change):
    return AugmentConfig(**{**vars(OFF), **change})


def test_everything_off_is_the_centre_crop(generator):
    batch = labelled_batch()
    plain = center_crop(batch, 112).image.clamp(1e-4, 1)
    torch.testing.assert_close(augment(batch, 112, generator, OFF).image, plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"shift": 0.05}, {"rotation_deg": 15}, {"zoom": 0.1}, {"flip": 1}, {"brightness": 0.2}, {"contrast": 0.3},
        {"saturation": 0.5}, {"gamma": 0.4}, {"grey": 1}, {"blur": 1}, {"noise": 1}, {"low_resolution": 1},
        {"erase": 1},
    ],
)  # fmt: skip
def test_each_change_alone_does_something(change, generator):
    batch = labelled_batch()
    plain = center_crop(batch, 112).image
    changed = augment(batch, 112, generator, only(**change)).image
    assert ((changed - plain).abs().amax((1, 2, 3)) > 0.004).sum() >= 5


def test_grey_has_equal_channels(generator):
    changed = augment(labelled_batch(), 112, generator, only(grey=1)).image
    torch.testing.assert_close(changed[:, 0], changed[:, 2], atol=1e-5, rtol=0)


def test_blur_keeps_the_mean_and_lowers_detail(generator):
    batch = Batch(image=torch.rand(8, 3, 128, 128, generator=generator))
    plain = center_crop(batch, 112).image
    blurred = augment(batch, 112, generator, only(blur=1)).image
    torch.testing.assert_close(blurred.mean((1, 2, 3)), plain.mean((1, 2, 3)), atol=2e-3, rtol=0)
    assert blurred.std() < 0.8 * plain.std()


def test_patches_stay_within_their_size(generator):
    batch = Batch(image=torch.zeros(64, 3, 128, 128))
    covered = (augment(batch, 112, generator, only(erase=1)).image.amax(1) > 0.02).float()
    share = covered.mean((1, 2))
    assert share.max() <= 0.42**2 and 0.02 < share.mean() < 0.12


@pytest.mark.slow
def test_one_core_augments_an_image_in_milliseconds(generator):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        batch = Batch(image=torch.rand(64, 3, 128, 128))
        augment(batch, 112, generator)
        took = []
        for _ in range(5):
            start = time.perf_counter()
            augment(batch, 112, generator)
            took.append((time.perf_counter() - start) / 64)
    finally:
        torch.set_num_threads(threads)
    assert min(took) < 6e-3  # 1.5 ms on an idle core with AVX-512
