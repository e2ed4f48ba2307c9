"""Frames that are rendered while a model trains: room, batches of what is there, people from a face model."""

import dataclasses

import numpy as np
import torch

from actionunits.aus import SYNTH_AUS
from actionunits.datasets.crops import fresh
from actionunits.datasets.crops.fresh import FreshPlan, FreshRows, as_crop_data, render_person
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.models.contract import Stage
from actionunits.training.fresh_source import FreshFrames, FreshSource

PLAN = FreshPlan("nowhere", seed=1, crop_size=48, frames=4)
STILL = AugmentConfig(**{f.name: 0 for f in dataclasses.fields(AugmentConfig) if isinstance(f.default, float)})


def rows(person: int) -> FreshRows:
    rng = np.random.default_rng(person)
    return FreshRows(
        images=np.full((4, 48, 48, 3), 10 * person, np.uint8),
        mesh=rng.random((4, 478, 3)).astype(np.float16),
        mesh_valid=np.array([True, False, False, True]),
        landmarks=rng.random((4, 68, 2)).astype(np.float32),
        au_sides=rng.uniform(0, 5, (4, len(SYNTH_AUS), 2)).astype(np.float32),
    )


def filled(people: int = 3) -> FreshFrames:
    frames = FreshFrames(PLAN, 20, torch.device("cpu"))
    for person in range(1, people + 1):
        frames.add(rows(person))
    return frames


def source(frames: FreshFrames, config: AugmentConfig, inputs=("image",)) -> FreshSource:
    stage = Stage(name="a", parameters=("",), inputs=inputs, batch_size=16, epochs=1, optimizer="sgd", lr=0.1)
    return FreshSource(frames, stage, 0, 42, 5, config, 10)


def test_batches_draw_from_the_people_who_are_there():
    frames = filled()
    assert (frames.frames, frames.people) == (12, 3)
    batch = source(frames, STILL).batch(0)
    assert batch.image.shape == (16, 3, 42, 42) and batch.mesh is None
    shades = {round(float(value) * 255) for value in batch.image[:, 0, 20, 20]}
    assert shades <= {10, 20, 30} and len(shades) > 1
    assert torch.equal(batch.au_intensity, batch.au_sides.amax(-1))
    assert torch.equal(batch.au_present, (batch.au_intensity >= 1).float())
    again = source(frames, STILL).batch(0)
    assert torch.equal(batch.image, again.image) and not torch.equal(
        batch.image, source(frames, STILL).batch(1).image
    )


def test_people_who_are_kept_are_rendered_once(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(fresh, "render_person", lambda plan, number: asked.append(number) or rows(number))
    first = [fresh.kept_person(PLAN, tmp_path, number) for number in (3, 4)]
    again = [fresh.kept_person(PLAN, tmp_path, number) for number in (3, 4)]
    assert asked == [3, 4]
    for one, other in zip(first, again, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(getattr(other, name), value)
    fresh.kept_person(dataclasses.replace(PLAN, seed=2), tmp_path, 3)
    fresh.kept_person(PLAN, None, 3)
    assert asked == [3, 4, 3, 3]


def test_a_flip_swaps_left_and_right():
    frames = filled()
    plain = source(frames, STILL).batch(3)
    flipped = source(frames, dataclasses.replace(STILL, flip=1.0)).batch(3)
    assert torch.equal(flipped.au_sides, plain.au_sides.flip(2))
    assert torch.equal(flipped.au_intensity, plain.au_intensity)


def test_a_stage_of_meshes_gets_frames_that_have_one_and_no_pictures():
    batch = source(filled(), STILL, ("mesh",)).batch(0)
    assert batch.image.shape == (16, 3, 0, 0) and batch.mesh_valid.all() and batch.mesh.shape == (16, 478, 3)


def test_people_as_data_to_be_judged_on(tmp_path, monkeypatch):
    monkeypatch.setattr(fresh, "render_person", lambda plan, number: rows(number))
    data = as_crop_data(PLAN, [4, 9], [rows(4), rows(9)])
    np.testing.assert_array_equal(fresh.kept_crop_data(PLAN, [4, 9], tmp_path).au_sides, data.au_sides)
    assert len(list(tmp_path.iterdir())) == 2
    assert len(data) == 8 and data.subjects == ("F1-000004", "F1-000009")
    np.testing.assert_array_equal(data.au_intensity, data.au_sides.max(-1))


def test_a_person_depends_on_the_plan_and_the_number_alone(facekit_dir):
    plan = FreshPlan(str(facekit_dir), seed=3, crop_size=48, frames=2, sizes_px=(96, 100), mesh_every=2)
    first, again, other = render_person(plan, 5), render_person(plan, 5), render_person(plan, 6)
    for name in ("images", "mesh", "mesh_valid", "au_sides"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.images, other.images)
    assert not first.mesh_valid[1] and first.au_sides[0].max() < 0.2  # a clip begins neutral
