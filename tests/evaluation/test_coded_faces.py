"""Faces coded by eye: tables that are read and refused, agreement of coders, scores by hand."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import FACE_COLUMNS, Answers, read_coded_faces, read_rivals, score_answers


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "faces").mkdir()
    for name in "abcd":
        Image.new("RGB", (8, 8)).save(tmp_path / "faces" / f"{name}.png")
    (tmp_path / "labels.csv").write_text(
        "id,person,AU04,AU04_level,AU12,AU12_level\na,1,1,2.0,0,0\nb,1,0,0,1,3\nc,2,1,1.0,,0.5\nd,3,0,0,1,1\n"
    )
    return tmp_path


def answers(name="ours", probability=((0.9, 0.2), (0.1, 0.9), (0.4, 0.5), (0.3, 0.1))):
    probability = np.array(probability)
    return Answers(name, probability, 5 * probability, (probability >= 0.35).astype(float))


def test_a_folder_is_read_with_what_is_not_known(folder):
    faces = read_coded_faces(folder)
    assert (faces.ids, faces.people, faces.aus) == (("a", "b", "c", "d"), 3, (4, 12))
    assert faces.present.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert faces.valid.tolist() == [[True, True], [True, True], [True, False], [True, True]]
    assert [path.name for path in faces.pictures] == ["a.png", "b.png", "c.png", "d.png"]
    assert faces.kappa == {}


@pytest.mark.parametrize(
    ("people", "expected"), [("x,x,y,z", [0, 0, 1, 2]), ("x,,x,", [0, 1, 0, 2]), (None, [0, 1, 2, 3])]
)
def test_whoever_is_not_named_is_somebody_else(folder, people, expected):
    table = pd.read_csv(folder / "labels.csv").drop(columns="person")
    if people is not None:
        table["person"] = people.split(",")
    table.to_csv(folder / "labels.csv", index=False)
    faces = read_coded_faces(folder)
    assert faces.person.tolist() == expected and faces.people == max(expected) + 1


def test_scores_by_hand(folder):
    table = score_answers(read_coded_faces(folder), answers()).set_index("au")
    assert tuple(score_answers(read_coded_faces(folder), answers()).columns) == FACE_COLUMNS
    assert (table.loc["AU04", "faces"], table.loc["AU04", "present"]) == (4, 2)
    assert table.loc["AU04", "auc"] == 1 and table.loc["AU04", "f1"] == 1 and table.loc["AU04", "called"] == 1
    # AU12 is known of a, b and d; d, which has it, has less than a, which has not.
    assert table.loc["AU12", "auc"] == pytest.approx(0.5) and table.loc["AU12", "f1"] == pytest.approx(2 / 3)
    assert table.loc["AU12", "called"] == pytest.approx(0.5)
    assert table["contradictions"].tolist() == [0, 0]  # d, absent at intensity 1.5, is none


def test_presence_and_intensity_that_contradict_each_other_are_counted(folder):
    said = answers()
    wrong = Answers("ours", said.probability, np.full((4, 2), 0.4), said.called)
    table = score_answers(read_coded_faces(folder), wrong)
    assert table["contradictions"].tolist() == [0.5, 0.5]  # called present at 0.4


def test_a_program_without_intensities_has_no_scores_of_them(folder):
    faces, said = read_coded_faces(folder), answers()
    silent = Answers("ours", said.probability, np.full((4, 2), np.nan), said.called)
    table, full = score_answers(faces, silent), score_answers(faces, said)
    of_intensity = ["auc_intensity", "level_r", "contradictions"]
    assert table[of_intensity].isna().all(axis=None) and full[of_intensity].notna().any(axis=None)
    pd.testing.assert_frame_equal(table.drop(columns=of_intensity), full.drop(columns=of_intensity))


def test_the_coders_agreement_is_cohens_kappa(folder):
    (folder / "codes.csv").write_text(
        "id,coder,AU04,AU12\na,A,2,0\nb,A,0,1\nc,A,0,u\nd,A,1,1\na,B,1,0\nb,B,0,3\nc,B,1,0\nd,B,1,0\n"
    )
    kappa = read_coded_faces(folder).kappa
    # AU04: three of four agree; chance is 1/2 * 3/4 + 1/2 * 1/4. AU12: two of three; chance 2/3 * 1/3 + 1/3 * 2/3.
    assert kappa[4] == pytest.approx((0.75 - 0.5) / 0.5)
    assert kappa[12] == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))


def test_other_programs_stand_beside_ours(folder):
    (folder / "openface2.csv").write_text("id,AU12_r,AU12_c\nb,4,1\na,0,0\nd,1,0\n")
    names = ("browDownLeft", "browDownRight")
    pd.DataFrame({"id": list("abcd"), names[0]: [0.8, 0, 0.4, 0.2], names[1]: [0.6, 0, 0.4, 0]}).to_csv(
        folder / "blendshapes.csv", index=False
    )
    faces = read_coded_faces(folder)
    blend, openface = read_rivals(folder, faces)
    np.testing.assert_allclose(blend.intensity[:, 0], [0.7, 0, 0.4, 0.1])
    assert np.isnan(blend.called).all() and np.isnan(openface.intensity[2]).all()
    table = score_answers(faces, openface).set_index("au")
    assert table.loc["AU12", "auc"] == 1 and table.loc["AU12", "f1"] == pytest.approx(2 / 3)
    assert np.isnan(table.loc["AU04", "auc"]) and np.isnan(table.loc["AU04", "called"])
    assert np.isnan(score_answers(faces, blend)["f1"]).all()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("labels.csv", "AU04\n1\n", "must have a column id"),
        ("labels.csv", "id,AU04\na,1\na,0\n", "names every face once"),
        ("labels.csv", "id,smile\na,1\n", "no column of an action unit"),
        ("labels.csv", "id,AU04\na,2\n", "AU04 of a is neither 1, 0 nor empty"),
        ("labels.csv", "id,AU04\na,yes\n", "AU04 holds something that is no number"),
        ("labels.csv", "id,AU04\nz,1\n", "has no picture of z"),
        ("codes.csv", "id,AU04\na,1\n", "must have the columns id and coder"),
    ],
)
def test_tables_that_cannot_be_used_are_one_line(folder, name, content, line):
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=line) as told:
        read_coded_faces(folder)
    assert "\n" not in str(told.value)


def test_answers_of_nothing_are_refused(folder):
    (folder / "notes.csv").write_text("id,text\na,hello\n")
    with pytest.raises(UserError, match="neither columns such as AU12_r"):
        read_rivals(folder, read_coded_faces(folder))
    with pytest.raises(UserError, match="cannot read"):
        read_coded_faces(folder / "faces")
