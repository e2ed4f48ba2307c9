"""What is written is what the schemas say: run cards, and rows of tidy tables, of every kind of input."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from PIL import Image
from staged_faces import StagedFinder, picture, write_video

import actionunits as au
import actionunits.detection.detector as detect_module
from actionunits.detection.analysis import analyse
from actionunits.detection.options import AnalysisOptions
from actionunits.detection.output_files import OutputPaths
from actionunits.errors import UserError
from actionunits.reports.run_card import CARD_VERSION
from actionunits.reports.tables import read_table


def checker(name):
    schema = au.io.json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def inputs(monkeypatch, tmp_path):
    """A video with and without faces, a photograph, and a folder of photographs."""
    monkeypatch.setattr(detect_module, "FaceFinder", StagedFinder)
    write_video(tmp_path / "clip.mp4", [1, 0, 2, 1])
    (tmp_path / "folder").mkdir()
    for name, faces in (("photo.png", 1), ("folder/a.png", 0), ("folder/b.png", 2)):
        Image.fromarray(picture(faces)).save(tmp_path / name)
    return [str(tmp_path / name) for name in ("clip.mp4", "photo.png", "folder")]


def test_run_cards_are_as_their_schema_says(inputs, tiny_weights, tmp_path):
    detector, check = au.Detector(weights=tiny_weights), checker("run_card")
    options = AnalysisOptions(episodes=True)
    for source in inputs:
        paths = OutputPaths(tmp_path / "out.csv")
        analyse(detector, source, paths, options)
        card = json.loads(paths.card.read_text())
        check.validate(card)
        # Every field is described, and none is described that is not there.
        assert set(card) == set(check.schema["properties"])
        in_memory = json.loads(json.dumps(detector.detect(source).card))
        check.validate(in_memory)
        assert set(in_memory) == set(card)
    assert check.schema["properties"]["card_version"]["const"] == CARD_VERSION
    for change in ({"card_version": 2}, {"frames_written": -1}, {"people": "one"}, {"thresholds": {"AU1": 0.5}}):
        assert list(check.iter_errors(card | change))
    assert list(check.iter_errors({key: value for key, value in card.items() if key != "weights_sha256"}))


def rows_of(table):
    """The rows with Python's own numbers, and None where a cell is empty."""
    return json.loads(table.to_json(orient="records"))


def test_rows_of_tidy_tables_are_as_their_schema_says(inputs, tiny_weights, tmp_path):
    detector, check = au.Detector(weights=tiny_weights), checker("tidy")
    for source in inputs:
        result = detector.detect(source, schema="tidy")
        rows = rows_of(result.table)
        written = read_table(result.save(tmp_path / "tidy.parquet"))
        for row in [*rows, *rows_of(written)]:
            check.validate(row)
        assert list(rows[0]) == list(check.schema["properties"])
    (row,) = [row for row in rows_of(detector.detect(inputs[0], schema="tidy").table) if row["face_id"] is None]
    for change in ({"au": "AU12"}, {"face_id": 0}, {"frame": 0}, {"usable": 1}):
        assert list(check.iter_errors(row | change))


def test_intensities_that_a_model_does_not_have_are_null(tiny_weights, inputs):
    detector = au.Detector(weights=tiny_weights)
    result = detector.detect(inputs[1], schema="tidy")
    (frame,) = result.frames
    unknown = [replace(p, au_intensity=np.full_like(p.au_intensity, np.nan)) for p in frame.predictions]
    without = replace(result, frames=[replace(frame, predictions=unknown)])
    for row in rows_of(without.table):
        checker("tidy").validate(row)
        assert row["intensity"] is None and row["prob"] is not None


def test_another_name_is_refused():
    with pytest.raises(UserError, match="there is no schema 'card'; choose one of run_card, tidy"):
        au.io.json_schema("card")
