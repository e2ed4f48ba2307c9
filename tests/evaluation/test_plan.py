"""The plan of every published table at the paper's scale: which systems, with which settings of which file."""

import dataclasses

import pandas as pd
import pytest

from actionunits.configs import FOLDER, read_sources
from actionunits.datasets.sampling.augment import AugmentConfig
from actionunits.errors import UserError
from actionunits.evaluation.plan import (
    BASELINES,
    Run,
    config_file,
    published_row,
    runs_of,
    scored_rows,
    settings_of,
    with_seeds,
)
from actionunits.evaluation.published import published_tables, table
from actionunits.reports.seeds import seeds_sections
from actionunits.training.data import recipe_of
from actionunits.training.settings import read_config_file

SYSTEMS = sorted({(t.key, row.model) for t in published_tables().values() for row in scored_rows(t) if row.model})
FLOORS = sorted({(t.key, key) for t in published_tables().values() if scored_rows(t) for key in BASELINES})
APPEARANCE = ("brightness", "contrast", "saturation", "gamma", "grey", "blur", "noise", "low_resolution", "erase")
# What the papers say, by model: size, optimiser, learning rate, momentum, batch, epochs, clipping, turns, flips.
PAPERS = {
    "drml": (170, "sgd", 1e-3, 0.9, 64, 20, 0.0, 0.0, 0.0),
    "deformae": (256, "adam", 2e-4, 0.9, 64, 100, 0.0, 0.0, 0.0),
    "splitbrain": (227, "sgd", 1e-2, 0.9, 64, 100, 0.0, 0.0, 0.0),
    "eacnet": (224, "sgd", 1e-4, 0.9, 50, 5, 0.0, 0.0, 0.0),
    "ofnet": (128, "sgd", 2e-4, 0.9, 32, 30, 1.0, 15.0, 0.5),
    "renet": (224, "adam", 1e-4, None, 100, 100, 0.0, 0.0, 0.5),
    "resnet18": (224, "adam", 1e-4, None, 100, 100, 0.0, 0.0, 0.5),
    "hybrid": (176, "sgd", 1e-3, 0.9, 196, 10, 0.0, 0.0, 0.5),
    "hog": (112, None, 3e-3, None, 128, 10, 0.0, 0.0, 0.0),
    "tcae": (256, "sgd", 1e-3, 0.9, 64, 1000, 0.0, 0.0, 0.0),
}
PATIENCE = {"deformae": 15, "renet": 10, "resnet18": 10, "splitbrain": 15, "tcae": 15}  # early stopping
SHIFT = {"ofnet": 6 / 128, "renet": 16 / 224, "resnet18": 16 / 224, "hybrid": 12 / 176}  # crops from larger pictures

PAPER_FILES = {f"{model}_{data}" for model in PAPERS for data in ("bp4d", "bp4d+", "disfa", "gft", "videos")}


@pytest.mark.parametrize(("key", "model"), SYSTEMS)
def test_every_system_of_a_table_has_the_papers_settings(key, model):
    run = Run(model)
    settings = settings_of(run, table(key), "paper")
    config, loop, augment = settings.model, settings.loop, settings.augment
    found = (
        config.image_size,
        getattr(config, "optimizer", None),
        config.lr,
        getattr(config, "momentum", None),
        config.batch_size,
        config.epochs,
        loop.clip_norm,
        augment.rotation_deg,
        augment.flip,
    )
    assert found == PAPERS[run.key]
    assert getattr(config, "patience", 0) == PATIENCE.get(run.key, 0)
    assert recipe_of(settings)[0].patience == PATIENCE.get(run.key, 0)
    assert all(getattr(augment, name) == 0 for name in APPEARANCE)
    if run.key != "tcae":
        assert augment.shift == pytest.approx(SHIFT.get(run.key, 0), abs=5e-4) and augment.zoom == 0
    if run.variant:
        assert config.variant == run.variant


@pytest.mark.parametrize(("key", "model"), FLOORS)
def test_the_baselines_have_settings_for_every_table(key, model):
    assert settings_of(Run(model), table(key), "paper").augment.erase == 0


def test_a_file_for_the_papers_scale_leaves_nothing_to_the_defaults_of_the_detector():
    drawn = {f.name for f in dataclasses.fields(AugmentConfig)} - {
        *("blur_sigma", "noise_sigma", "low_resolution_factors", "erase_side")  # of changes that are switched off
    }
    needed = drawn | {
        "image_size",
        "lr",
        "epochs",
        "batch_size",
        "clip_norm",
        "ema_decay",
        "weight_decay",
        "schedule",
    }
    files = {config_file(Run(model).key, table(key), "paper") for key, model in SYSTEMS + FLOORS}
    assert len(files) > 15
    for path in files:
        assert needed <= set(read_config_file(path)), path
        sources = read_sources(path)
        assert set(sources) == set(read_config_file(path)), path
        for name, why in sources.items():
            words = ("ours", "Sec.", "Fig.", "none", "not in", "as RE-Net")
            assert any(word in why for word in words), (path.name, name, why)


def test_no_file_is_an_error():
    with pytest.raises(UserError, match=r"there is no .*ofnet_gft.yaml; no paper gives ofnet settings for gft"):
        settings_of(Run("ofnet"), table("hybrid-table1"), "paper")
    with pytest.raises(UserError, match="use --scale paper"):
        settings_of(Run("nobody"), table("hybrid-table1"), "small")


@pytest.mark.parametrize(
    ("key", "runs"),
    [
        ("renet-table1", [("hog", ()), ("resnet18", ()), ("renet", ())]),
        ("renet-table4", [("renet", ("tasks=intensity",))]),
        ("renet-table6", [("renet", ("unseen_aus=[23]",)), ("renet", ("unseen_aus=[24]",))]),
        ("renet-table7", [("resnet18", ()), ("renet", ()), ("renet:learnable", ())]),
        (
            "renet-table8",
            [
                ("resnet18", ()),
                ("resnet18", ("balance=duplicate", "balance_aus=[1,2,15,23,24]")),
                ("renet", ("balance=duplicate", "balance_aus=[1,2,15,23,24]")),
                ("renet", ()),
            ],
        ),
        ("eacnet-table3", [("hog", ()), ("eacnet:fvgg", ()), ("eacnet:enet", ()), ("eacnet", ())]),
        ("hybrid-table2", [("hog", ()), ("hybrid:anet", ()), ("hybrid", ())]),
        ("ofnet-table1", [("ofnet", ())]),
        ("tcae-table2", [("tcae:fabnet", ()), ("tcae", ())]),
    ],
)
def test_one_command_repeats_all_rows_of_a_table(key, runs):
    found = runs_of(table(key))
    assert sorted((run.model, run.words) for run in found) == sorted(runs)
    assert len({run.folder for run in found}) == len(found)


def test_a_setting_of_ones_own_takes_the_place_of_the_rows():
    (run,) = runs_of(table("renet-table6"), asked={"unseen_aus": [23, 24]})
    assert run == Run("renet")
    assert settings_of(run, table("renet-table6"), "paper", {"unseen_aus": [23, 24]}).model.unseen_aus == (23, 24)


def test_every_seed_trains_every_system():
    runs = with_seeds(runs_of(table("renet-table7")), (0, 2))
    assert [(run.model, run.seed) for run in runs[::3]] == [("resnet18", 0), ("resnet18", 2)]
    assert len({run.folder for run in runs}) == 6 and "seed=2" in runs[-1].words
    assert settings_of(runs[-1], table("renet-table7"), "paper").loop.seed == 2
    with pytest.raises(UserError, match="each seed is needed once"):
        with_seeds(runs, (1, 1))


@pytest.mark.parametrize(
    ("key", "model", "word", "trained", "scale", "average"),
    [
        ("hybrid-table2", "hybrid", "folds-3", "", "paper", 53.2),
        ("hybrid-table2", "hybrid", "folds-10", "", "paper", 82.5),
        ("hybrid-table1", "hybrid", "folds-10", "", "small, seed=1", 66.4),
        ("hybrid-table1", "hybrid:anet", "folds-10", "", "paper", 63.4),
        ("hybrid-table1", "hybrid:anet", "transfer", "bp4d", "paper", 32.9),
        ("hybrid-table2", "hybrid:anet", "transfer", "gft", "paper", 43.4),
        ("hybrid-table2", "hybrid", "folds-5", "", "paper", None),
        ("renet-table6", "renet", "folds-3", "", "small, unseen_aus=[24], seed=3", 63.6),
        ("renet-table6", "renet", "folds-3", "", "small, unseen_aus=[23,24]", None),
        ("renet-table8", "renet", "folds-3", "", "paper", 65.5),
        ("eacnet-table3", "hog", "folds-3", "", "paper", 35.3),
    ],
)
def test_a_row_stands_beside_the_printed_one_of_its_own_protocol(key, model, word, trained, scale, average):
    row = published_row(table(key), "f1", model, word, trained, scale)
    assert (row and row.average) == average


def test_seeds_are_told_by_mean_and_spread():
    def rows(seed, f1):
        return pd.DataFrame(
            [
                {
                    "fold": "mean",
                    "au": "average",
                    "model": "renet",
                    "scale": f"paper, seed={seed}",
                    "seed": seed,
                    "f1": f1,
                }
            ]
        ).reindex(columns=["fold", "au", "model", "scale", "seed", "f1", "f1_event", "accuracy", "auc", "icc", "mae"])

    (section,) = seeds_sections([rows(0, 0.5), rows(1, 0.6)])
    assert section.lines[0].name == "renet, paper" and section.lines[0].cells == ("0, 1", "0.550 ± 0.071")
    assert seeds_sections([rows(0, 0.5)]) == []


def test_files_of_one_model_are_alike_where_one_paper_names_them_for_all_data():
    for model in ("renet", "resnet18", "hog", "tcae"):
        files = [read_config_file(path) for path in FOLDER.glob(f"{model}_*.yaml") if path.stem in PAPER_FILES]
        assert len(files) > 1 and all(values == files[0] for values in files)
