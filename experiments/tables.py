"""Fills the tables of the documents from results/, so that a number is written in one place.

docs/results.md and docs/plans.md are written whole, from results/, the published tables and the settings of models.

    python experiments/tables.py          # writes
    python experiments/tables.py --check  # only tells what is out of date, exit code 1

A document marks a place with `<!-- table: NAME -->` and `<!-- end -->`; NAME is one of TABLES.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from eacnet import results_tables as eacnet_tables
from hybrid.results_tables import (
    hybrid_clips,
    hybrid_corrections,
    hybrid_lstm,
    hybrid_networks,
    hybrid_onsets,
    hybrid_people,
    hybrid_released_onsets,
    hybrid_tests,
    hybrid_time,
    over_time,
    over_time_ahead,
    over_time_ceilings,
    over_time_errors,
    over_time_gains,
    over_time_onsets,
)
from markdown_rows import named_au, number, rows_to_markdown
from ofnet import results_tables as ofnet_tables
from plans_page import plans_page
from renders import au_tables
from renet import results_tables as renet_tables
from resnet18 import results_tables as detector_tables
from results_page import FIRST_TABLE, commands_of, results_page
from tcae import results_tables as tcae_tables

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.evaluation.blendshapes import BLENDSHAPES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
DOCUMENTS = (
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "aus").glob("*.md")),
    ROOT / "docs" / "how_sure.md",
    ROOT / "docs" / "analyses.md",
    ROOT / "docs" / "renders.md",
    ROOT / "docs" / "cost.md",
    ROOT / "docs" / "bulk.md",
    ROOT / "docs" / "detect.md",
    ROOT / "docs" / "install.md",
    ROOT / "docs" / "prepare.md",
    ROOT / "docs" / "pretrain.md",
    ROOT / "src" / "actionunits" / "weights" / "resnet18.md",
    ROOT / "src" / "actionunits" / "weights" / "fast.md",
    ROOT / "src" / "actionunits" / "weights" / "eacnet.md",
    ROOT / "src" / "actionunits" / "weights" / "hybrid.md",
    ROOT / "src" / "actionunits" / "weights" / "ofnet.md",
    ROOT / "src" / "actionunits" / "weights" / "renet.md",
    ROOT / "src" / "actionunits" / "weights" / "renet-student.md",
    ROOT / "src" / "actionunits" / "weights" / "tcae.md",
    ROOT / "src" / "actionunits" / "models" / "eacnet" / "README.md",
    ROOT / "src" / "actionunits" / "models" / "hybrid" / "README.md",
    ROOT / "src" / "actionunits" / "models" / "tcae" / "README.md",
    ROOT / "src" / "actionunits" / "models" / "ofnet" / "README.md",
    ROOT / "src" / "actionunits" / "models" / "renet" / "README.md",
    ROOT / "data" / "synthau-mini" / "README.md",
)
# A reading that tells full strength from neutral less well than this does not recognise the action.
RECOGNISED_AUC = 0.75
HOUR_FRAMES = 3600 * 30
EFFICIENCY = 0.9  # of more cores than were measured: a second worker in results/benchmark_bulk.csv, rounded
GPU_CORES = 16  # beside an H100
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def detection_speed() -> str:
    """Time of each part of detection and of the whole."""
    table = pd.read_csv(RESULTS / "benchmark_detect.csv")
    columns = list(dict.fromkeys(zip(table["processor"], table["weights"], strict=True)))
    rows = []
    for (what, unit), group in table.groupby(["measured", "unit"], sort=False):
        values = group.set_index(["processor", "weights"])["value"]
        rows.append([what, *(number(values[c], 1) if c in values else "–" for c in columns), unit])
    heads = [f"{processor}, `{weights}`" for processor, weights in columns]
    return rows_to_markdown(["measured", *heads, "unit"], rows) + f"\nMeasured on {table['cores'].iloc[0]} cores.\n"


def bulk(kind: str) -> str:
    """What was measured of many clips: `losses` where workers are killed, or `scaling`."""
    table = pd.read_csv(RESULTS / "benchmark_bulk.csv", keep_default_na=False)
    rows = [
        [r.measured, number(r.value, 2 if kind == "scaling" else 0), r.unit]
        for r in table[table["kind"] == kind].itertuples()
    ]
    return rows_to_markdown(["measured", "value", "unit"], rows)


def folder_speed() -> str:
    """Forty clips in one call."""
    table = pd.read_csv(RESULTS / "folder_speed.csv")
    rows = [
        [r.run, number(r.seconds, 0), *(str(n) for n in (r.frames, r.done_before, r.done, r.damaged))]
        for r in table.itertuples()
    ]
    heads = ["run", "seconds", "frames", "done before it began", "done in all", "damaged"]
    return rows_to_markdown(heads, rows) + f"\nMeasured on {table['cores'].iloc[0]} cores.\n"


def hour_of_video() -> str:
    """Seconds for an hour of video on several machines, by the model that docs/cost.md states."""
    table = pd.read_csv(RESULTS / "benchmark_detect.csv").drop_duplicates("measured").set_index("measured")
    measured, value = int(table["cores"].iloc[0]), table["value"]
    rate = value["whole run, table only"] / measured

    def row(machine: str, cores: int) -> list[str]:
        seconds = HOUR_FRAMES / (rate * cores * (1 if cores == measured else EFFICIENCY))
        return [machine, str(cores), number(seconds, 0), number(3600 / seconds, 1)]

    rows = [
        row("the measured one", measured),
        row("laptop", 8),
        row("server", 64),
        row("cluster of 100 workers", 100 * measured),
    ]
    gpu = RESULTS / "benchmark_gpu.csv"
    if gpu.is_file():
        # What comes before the model runs on the cores beside the GPU, and bounds its rate.
        before_model = sum(value[f"{part} alone"] for part in ("decode", "find", "register", "write table")) / 1000
        read = pd.read_csv(gpu).query("measured == 'default detector' and unit == 'pictures per second'")
        seconds = max(HOUR_FRAMES * before_model / (GPU_CORES * EFFICIENCY), HOUR_FRAMES / read["value"].max())
        rows.append(["H100", str(GPU_CORES), number(seconds, 0), number(3600 / seconds, 1)])
    return rows_to_markdown(["machine", "cores", "seconds", "times real time"], rows)


def wheels() -> str:
    """Pythons for which a package has a wheel, system by system, where it has not for all."""
    table = pd.read_csv(RESULTS / "wheels.csv", dtype=str)
    systems = list(table.columns[2:])
    everywhere = table[systems].stack().mode()[0]
    partly = table[(table[systems] != everywhere).any(axis=1)]
    rows = [[r[0], r[1], *r[2:]] for r in partly.itertuples(index=False)]
    rows.append([f"the other {len(table) - len(partly)}", "", *[everywhere] * len(systems)])
    return rows_to_markdown(["package", "needed for", *systems], rows)


def finder_meshes() -> str:
    """Errors of face meshes on renders, at each width of the faces."""
    table = pd.read_csv(RESULTS / "finder_meshes.csv")
    groups = ["all", "brows", "lids", "lips"]
    rows = []
    for r in table.itertuples(index=False):
        values = [f"{number(getattr(r, f'{g}_error'), 1)} / {number(getattr(r, f'{g}_scatter'), 1)}" for g in groups]
        rows.append([r.reader, r.set, r.face_px, f"{100 * r.found:.1f}%", *values, number(r.ms, 1)])
    return rows_to_markdown(["reader", "renders", "face, px", "found", *groups, "ms"], rows)


def render_found() -> str:
    """Share of rendered frames in which MediaPipe finds the face."""
    table = pd.read_csv(RESULTS / "render_evidence.csv").query("measure == 'found'")
    rows = [[r.name, r.people, r.frames, f"{100 * r.value:.1f}%"] for r in table.itertuples(index=False)]
    return rows_to_markdown(["frames", "people", "number", "face found"], rows)


def render_agreement() -> str:
    """How MediaPipe's blendshape scores follow the intensity of every action alone, on frontal renders."""
    table = pd.read_csv(RESULTS / "render_evidence.csv")
    values = table.pivot_table(index="name", columns="measure", values="value")
    rows, unread = [], []
    for au_number in SYNTH_AUS:
        au = au_label(au_number)
        auc = values["auc"].get(au, float("nan"))
        shape = BLENDSHAPES.get(au_number, ("none",))[0].removesuffix("Left")
        source = "gap of the lips" if au_number == 25 else shape
        recognised = auc >= RECOGNISED_AUC
        if not recognised:
            unread.append(au)
        numbers = [number(values[key].get(au, float("nan"))) for key in ("r_within", "r", "auc")]
        rows.append([named_au(au), source, *numbers, "yes" if recognised else "**no**"])
    people = table.loc[table["measure"] == "auc", "people"].max()
    header = ["action unit", "read by", "r within people", "r over people", "AUC", "recognised"]
    return (
        rows_to_markdown(header, rows)
        + f"\n{people} people. Not recognised by this reader: **{', '.join(unread)}**.\n"
    )


def render_speed() -> str:
    """Frames per second of the renderer on one core, and where the time goes."""
    table = pd.read_csv(RESULTS / "benchmark_render.csv")
    rows = [[r.look, r.measured, number(r.value, 1), r.unit] for r in table.itertuples(index=False)]
    return rows_to_markdown(["look", "measured", "value", "unit"], rows)


def synthau_rates() -> str:
    """How often each AU is present in the committed renders, and how strong it then is on average."""
    looks = [pd.read_parquet(ROOT / "data" / "synthau-mini" / look / "frames.parquet") for look in ("studio", "wild")]
    rows = []
    for au in map(au_label, SYNTH_AUS):
        cells = [named_au(au)]
        for look in looks:
            present = look[au] == 1
            cells += [f"{100 * present.mean():.1f}%", number(look.loc[present, f"{au}_r"].mean(), 1)]
        rows.append(cells)
    rows.append(["frames", len(looks[0]), "", len(looks[1]), ""])
    header = ["AU", "studio: present", "mean intensity when present", "wild: present", "mean intensity when present"]
    return rows_to_markdown(header, rows)


def prepare_speed() -> str:
    """Frames per second of preparing a data set as the clock measured them, and what follows for BP4D."""
    table = pd.read_csv(RESULTS / "benchmark_prepare.csv")
    rows = [
        [
            f"{'read' if row.landmarks == 'read' else 'found'}, crops of {row.crop_px}",
            f"{row.frames_per_second:.0f}",
            f"{row.bp4d_minutes:.0f} min",
            number(row.cpu_ms_per_frame, 1),
        ]
        for row in table.itertuples()
    ]
    header = ["landmarks", "frames per second on two cores", "BP4D's 146,847 frames", "processor, ms per frame"]
    return rows_to_markdown(header, rows)


def video_speed() -> str:
    """Where the time goes in preparing a film of 1080p, and what follows for 100 hours of it."""
    table = pd.read_csv(RESULTS / "benchmark_videos.csv")
    rows = [
        [
            row.way,
            *(f"{value:.0f}" for value in (row.decode_ms, row.find_ms, row.to_rgb_ms + row.cut_out_ms + row.rest_ms)),
            f"{row.sum_ms:.0f}",
            f"{row.hours:.1f}",
        ]
        for row in table.itertuples()
    ]
    header = ["1080p, one frame a second kept", "decode", "find", "rest", "sum, ms", "100 hours, two cores: hours"]
    return rows_to_markdown(header, rows)


TABLES: dict[str, Callable[[], str]] = {
    **{f"about_{au_label(number).lower()}": partial(au_tables.about, number) for number in SYNTH_AUS},
    "au_list": au_tables.au_list,
    "eacnet_networks": eacnet_tables.eacnet_networks,
    "eacnet_tests": eacnet_tables.eacnet_tests,
    "eacnet_transfer": eacnet_tables.eacnet_transfer,
    "eacnet_alignment_time": eacnet_tables.eacnet_alignment_time,
    "eacnet_cost": eacnet_tables.eacnet_cost,
    "eacnet_equal": eacnet_tables.eacnet_equal,
    "eacnet_features": eacnet_tables.eacnet_features,
    "eacnet_new_people": partial(eacnet_tables.new_people, "eacnet_new_people.csv"),
    "eacnet_pairs": partial(eacnet_tables.pairs, "eacnet_pairs.csv"),
    "eacnet_places": eacnet_tables.eacnet_places,
    "eacnet_start": eacnet_tables.eacnet_start,
    "hybrid_clips": hybrid_clips,
    "hybrid_corrections": hybrid_corrections,
    "hybrid_lstm": hybrid_lstm,
    "hybrid_networks": hybrid_networks,
    "hybrid_onsets": hybrid_onsets,
    "hybrid_people": hybrid_people,
    "hybrid_released_onsets": hybrid_released_onsets,
    "hybrid_time": hybrid_time,
    "over_time": over_time,
    "over_time_ahead": over_time_ahead,
    "over_time_ceilings": over_time_ceilings,
    "over_time_errors": over_time_errors,
    "over_time_gains": over_time_gains,
    "over_time_onsets": over_time_onsets,
    "hybrid_tests": hybrid_tests,
    "render_found": render_found,
    "render_agreement": render_agreement,
    "render_speed": render_speed,
    "synthau_rates": synthau_rates,
    "calibration": detector_tables.calibration,
    "covered": detector_tables.covered,
    "detector_scores": detector_tables.detector_scores,
    "real_agreement": detector_tables.real_agreement,
    "detector_readings": detector_tables.detector_readings,
    "detector_branches": detector_tables.detector_branches,
    "detector_shares": detector_tables.detector_shares,
    "detector_sides": detector_tables.detector_sides,
    "face_differences": detector_tables.face_differences,
    "mean_differences": detector_tables.mean_differences,
    "fast_agreement": partial(detector_tables.real_agreement, "fast"),
    "fast_scores": detector_tables.fast_scores,
    "mesh_reach": detector_tables.mesh_reach,
    "mesh_steps": detector_tables.mesh_steps,
    "face_groups": detector_tables.face_groups,
    "render_factors": detector_tables.render_factors,
    "quality_limits": detector_tables.quality_limits,
    "same_people": detector_tables.same_people,
    "gaze": detector_tables.gaze,
    "real_clips": detector_tables.real_clips,
    "reliability": detector_tables.reliability,
    "real_faces": detector_tables.real_faces,
    "real_readers": detector_tables.real_readers,
    "bulk_losses": partial(bulk, "losses"),
    "bulk_scaling": partial(bulk, "scaling"),
    "detection_speed": detection_speed,
    "folder_speed": folder_speed,
    "hour_of_video": hour_of_video,
    "quantized": detector_tables.quantized,
    "quantized_renet": partial(detector_tables.quantized, "quantized_renet"),
    "finder_meshes": finder_meshes,
    "wheels": wheels,
    "prepare_speed": prepare_speed,
    "video_speed": video_speed,
    "first_table": lambda: commands_of(FIRST_TABLE),
    "adaptation": tcae_tables.adaptation,
    "tcae_movements": tcae_tables.movements,
    "tcae_new_people": tcae_tables.new_people,
    "tcae_probe": tcae_tables.probe,
    "tcae_starts": tcae_tables.starts,
    "ofnet_controlled": ofnet_tables.ofnet_controlled,
    "ofnet_cost": ofnet_tables.ofnet_cost,
    "ofnet_disfa": ofnet_tables.ofnet_disfa,
    "ofnet_flow": ofnet_tables.ofnet_flow,
    "ofnet_folds": ofnet_tables.ofnet_folds,
    "ofnet_longer": ofnet_tables.ofnet_longer,
    "ofnet_mesh": ofnet_tables.ofnet_mesh,
    "ofnet_mesh_pairs": partial(eacnet_tables.pairs, "ofnet_mesh_pairs.csv"),
    "ofnet_people": ofnet_tables.ofnet_people,
    "ofnet_steps": ofnet_tables.ofnet_steps,
    "ofnet_new_people": partial(eacnet_tables.new_people, "ofnet_new_people.csv", "eacnet_new_people.csv"),
    "ofnet_pairs": partial(eacnet_tables.pairs, "ofnet_pairs.csv"),
    "ofnet_tests": ofnet_tables.ofnet_tests,
    "ofnet_transfer_tests": ofnet_tables.ofnet_transfer_tests,
    "renet_cost": renet_tables.cost,
    "renet_labels": renet_tables.equal_labels,
    "renet_new_au": renet_tables.new_aus,
    "renet_related": renet_tables.related_sets,
    "renet_related_tests": renet_tables.related_tests,
    "renet_released": renet_tables.released_tests,
    "renet_student": renet_tables.student_tests,
    "renet_small": renet_tables.small_scores,
    "renet_tests": renet_tables.small_tests,
}
PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "results.md": results_page,
    ROOT / "docs" / "plans.md": plans_page,
}


def filled(text: str) -> str:
    """The document with its tables made anew."""
    return MARK.sub(lambda mark: mark[1] + TABLES[mark[2]]() + mark[3], text)


def wanted() -> dict[Path, str]:
    """What the documents should hold."""
    texts = {path: filled(path.read_text()) for path in DOCUMENTS if path.is_file()}
    return texts | {path: page() for path, page in PAGES.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    outdated = {path: text for path, text in wanted().items() if not path.is_file() or path.read_text() != text}
    for path, text in outdated.items():
        print(f"{path.relative_to(ROOT)}: {'out of date' if options.check else 'written'}")
        if not options.check:
            path.write_text(text)
    return int(bool(outdated) and options.check)


if __name__ == "__main__":
    sys.exit(main())
