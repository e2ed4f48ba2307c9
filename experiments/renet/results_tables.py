"""RE-Net's tables at small scale and its cost, for `tables.py`, from what tables.sh and renet.py wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from markdown_rows import number, rows_to_markdown

RESULTS = Path(__file__).parents[2] / "results"
SCORES = ("f1", "auc", "icc", "icc_level", "mae", "mae_level")
# Files of `actionunits compare` in results/renet_tests, and the rows of each that answer the paper's question.
TESTS = {
    "renet_resnet18": ("RE-Net less ResNet-18", "mean"),
    "renet_learnable": ("fixed relations less learned ones", "mean"),
    "resnet18_duplicated": ("ResNet-18: rare AUs shown twice less once", "mean"),
    "renet_duplicated": ("RE-Net: rare AUs shown twice less once", "mean"),
    "renet_unseen": ("RE-Net: AU23 and AU24 unseen less trained", "AU23 AU24"),
    "taught_alone": ("student of RE-Net less ResNet-18 alone", "mean"),
    "taught_teacher": ("student of RE-Net less RE-Net", "mean"),
    "renet_resnet18_disfa": ("RE-Net less ResNet-18, DISFA", "mean"),
}

RARE = ("AU01", "AU02", "AU04", "AU15", "AU23", "AU24")  # below a quarter of the frames in BP4D

RELEASED = {
    "renet_equal_time_studio": ("RE-Net less ResNet-18, 38 minutes each, studio", "mean"),
    "renet_equal_time_wild": ("RE-Net less ResNet-18, 38 minutes each, wild", "mean"),
    "renet_released_studio": ("RE-Net less the ResNet-18 it began as, studio", "mean"),
    "renet_released_wild": ("RE-Net less the ResNet-18 it began as, wild", "mean"),
}

STUDENT = {
    "student_renet_studio": ("student less RE-Net, studio", "mean"),
    "student_renet_wild": ("student less RE-Net, wild", "mean"),
    "student_alone_studio": ("student less the same network without a teacher, studio", "mean"),
    "student_alone_wild": ("student less the same network without a teacher, wild", "mean"),
}


def small_scores() -> str:
    """Average scores of every run, as the mean over folds."""
    table = pd.read_csv(RESULTS / "renet_small.csv", dtype={"fold": str})
    rows = []
    for row in table[(table["fold"] == "mean") & (table["au"] == "average")].to_dict("records"):
        shown = [number(row[name], 3) for name in SCORES]
        rows.append([row["table"].removeprefix("renet-table"), f"{row['model']}{_setting(row['scale'])}", *shown])
    names = ["F1", "AUC", "ICC", "ICC, level", "MAE", "MAE, level"]
    return rows_to_markdown(["table", "model", *names], sorted(rows))


def _setting(scale: str) -> str:
    """What a run differs in from the others of its table."""
    if "balance=duplicate" in scale:
        return ", rare AUs twice"
    if "taught by" in scale:
        return ", taught by RE-Net"
    return ", AU23 and AU24 unseen" if "unseen_aus" in scale else ""


def equal_labels() -> str:
    """Means over seeds of labels.py, and the AUC of each seed."""
    table = pd.read_csv(RESULTS / "renet_labels.csv")
    rows = []
    for name, seeds in table.groupby("row", sort=False):
        each = ", ".join(number(value, 3) for value in seeds["auc"])
        rows.append([str(name), *(number(seeds[score].mean(), 3) for score in ("auc", "icc")), each])
    return rows_to_markdown(["trained", "AUC", "ICC", "AUC of each seed"], rows)


def related_sets() -> str:
    """Mean AUC of relations.py on both sets of people, with its spread over seeds; beside it that of rare AUs."""
    table = pd.read_csv(RESULTS / "renet_relations.csv")
    rows = []
    for (rates, name), runs in table.groupby(["rates", "row"], sort=False):
        each = runs.groupby("seed")["auc"].mean()
        rare = runs[runs["au"].isin(RARE)]["auc"].mean()
        values = [number(value, 3) for value in (each.mean(), rare, each.std())]
        rows.append([f"`{rates}`", str(name), str(len(each)), *values])
    return rows_to_markdown(["people", "trained", "seeds", "AUC", "AUC of rare AUs", "spread over seeds"], rows)


def related_tests() -> str:
    """Differences of relations.py, with intervals over people."""
    table = pd.read_csv(RESULTS / "renet_relations_tests.csv")
    rows = []
    for row in table.to_dict("records"):
        bounds = [f"{row[name]:+.3f}" for name in ("difference", "low", "high")]
        rows.append(
            [f"`{row['rates']}`", f"RE-Net less {row['second']}", row["aus"], *bounds, number(row["sd_of_seeds"], 3)]
        )
    return rows_to_markdown(["people", "AUC of", "AUs", "difference", "low", "high", "spread over seeds"], rows)


def new_aus() -> str:
    """AUs that were left out (Table 6), beside their nearest known AU and beside themselves when trained."""
    table = pd.read_csv(RESULTS / "renet_new_au.csv")
    rows = []
    for row in table.to_dict("records"):
        values = [number(row[f"auc_{name}"], 3) for name in ("unseen", "nearest", "trained")]
        bounds = [f"{row[name]:+.3f}" for name in ("less_nearest", "low", "high")]
        rows.append([f"`{row['rates']}`", row["au"], row["nearest"], number(row["r"], 2), *values, *bounds])
    for rates, aus in table.groupby("rates", sort=False):
        values = [number(aus[f"auc_{name}"].mean(), 3) for name in ("unseen", "nearest", "trained")]
        rows.append(
            [
                f"`{rates}`",
                "mean",
                "",
                number(aus["r"].mean(), 2),
                *values,
                f"{aus['less_nearest'].mean():+.3f}",
                "",
                "",
            ]
        )
    head = ["people", "left out", "nearest", "r", "AUC", "of nearest", "trained", "less nearest", "low", "high"]
    return rows_to_markdown(head, rows)


def small_tests() -> str:
    """Differences of two models of tables.sh on the same frames."""
    return _tests(TESTS)


def released_tests() -> str:
    """Differences at a useful size, on people who are new to both."""
    return _tests(RELEASED)


def student_tests() -> str:
    """RE-Net's released student beside its teacher, and beside what learned without one."""
    return _tests(STUDENT)


def _tests(tests: Mapping[str, tuple[str, str]]) -> str:
    """Differences with intervals and p over people."""
    rows = []
    for name, (text, aus) in tests.items():
        path = RESULTS / "renet_tests" / f"{name}.csv"
        if not path.is_file():
            continue  # not run yet
        table = pd.read_csv(path)
        for row in table[table["au"].isin(aus.split()) & table["difference"].notna()].to_dict("records"):
            metric = row["metric"].upper() + ("" if row["au"] == "mean" else f" of {row['au']}")
            scores = [number(row[name], 3) for name in ("a", "b")]
            bounds = [f"{row[name]:+.3f}" for name in ("difference", "low", "high")]
            rows.append([text, metric, row["subjects"], *scores, *bounds, number(row["p_flip"], 3)])
    return rows_to_markdown(
        ["first less second", "score", "people", "first", "second", "difference", "low", "high", "p"], rows
    )


def cost() -> str:
    """What RE-Net costs beside ResNet-18."""
    table = pd.read_csv(RESULTS / "benchmark_renet.csv")
    rows = [[r.measured, str(r.pictures), f"{r.value:.2f}", r.unit] for r in table.itertuples()]
    return rows_to_markdown(["measured", "pictures", "value", "unit"], rows)
