"""The committed renders are complete, as their card says, and what the renderer of today makes."""

import json

import numpy as np
import pandas as pd
import pytest

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.media import open_media
from actionunits.synth.assets import read_assets
from actionunits.synth.dataset import label_table
from actionunits.synth.motion import sample_motion
from actionunits.synth.render import ClipRenderer
from actionunits.synth.scene import sample_scene

PEOPLE = {"studio": 27, "wild": 18}


@pytest.mark.parametrize("look", PEOPLE)
def test_counts_are_those_of_the_card(mini_dir, look):
    card = json.loads((mini_dir / look / "dataset.json").read_text())
    table = pd.read_parquet(mini_dir / look / "frames.parquet")
    assert (card["look"], card["subjects"], card["clips"], card["frames"]) == (look, PEOPLE[look], 2, 64)
    assert (card["size"], card["fps"], card["seed"], card["rates"]) == (160, 25.0, 0, "published")
    assert len(table) == PEOPLE[look] * 2 * 64 and table["subject"].nunique() == PEOPLE[look]
    assert (table.groupby("clip").size() == 64).all()
    assert {f"clips/{path.name}" for path in (mini_dir / look / "clips").iterdir()} == set(table["clip"])
    neutral = table[table["frame"] == 0]
    assert not neutral[[f"{au_label(au)}_r" for au in SYNTH_AUS]].to_numpy().any()
    for au in SYNTH_AUS:
        assert 0.02 < table[au_label(au)].mean() < 0.6


def test_people_of_the_two_looks_differ_and_all_is_small_enough(mini_dir):
    names = [set(pd.read_parquet(mini_dir / look / "frames.parquet")["subject"]) for look in PEOPLE]
    assert not names[0] & names[1]
    # Other files, such as caches of crops, are not committed.
    parts = [mini_dir / look / name for look in PEOPLE for name in ("clips", "frames.parquet", "dataset.json")]
    files = [file for part in parts for file in (part.iterdir() if part.is_dir() else [part])]
    assert sum(file.stat().st_size for file in files) < 15e6


@pytest.mark.parametrize("look", PEOPLE)
def test_todays_renderer_makes_the_same_clip(mini_dir, casting, faceassets_dir, look):
    code = ("studio", "wild").index(look)
    assets = read_assets(str(faceassets_dir))
    person = casting.sample(np.random.default_rng((0, code, 2)), assets)
    rng = np.random.default_rng((0, code, 2, 1))
    motion = sample_motion(rng, look, 64, 25.0)
    renderer = ClipRenderer(person, sample_scene(rng, look, 160, 64 / 25, assets), motion, 160, rng)
    name = f"clips/{look[0].upper()}0-0002_T1.mp4"
    held = pd.read_parquet(mini_dir / look / "frames.parquet").query("clip == @name").reset_index(drop=True)
    made = label_table(renderer.labels, motion.time_s)
    pd.testing.assert_frame_equal(made, held[made.columns], atol=0.02, check_dtype=False)
    with open_media(mini_dir / look / name) as media:
        frames = [frame.image_rgb for frame in media]
    assert len(frames) == 64
    for k in (0, 40):
        # Compression and noise are all that may differ.
        assert np.abs(frames[k].astype(float) - renderer.frame(k)).mean() < 5
