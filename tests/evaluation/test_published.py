import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from actionunits.errors import UserError
from actionunits.evaluation import published

# Counted in the texts of the papers: every caption that begins with "Table". Tables that stand inside a figure, and
# numbers that stand only in the prose, are in published.yaml as well but not counted here.
TABLES_OF_PAPERS = {
    "eacnet": ("I", "II", "III", "IV", "V", "VI", "VII", "VIII"),
    "ofnet": ("I", "II", "III", "IV", "V"),
    "renet": ("1", "2", "3", "4", "5", "6", "7", "8"),
    "hybrid": ("I", "II"),
    "tcae": ("1", "2", "3"),
}
# Half a unit of the average's last place and as much again for the cells, each of which is rounded too.
TOLERANCE = {"percent": 0.1, "fraction": 0.01, "level": 0.01}
ROWS = [(table, row) for table in published.published_tables().values() for row in table.rows]


def row_name(value):
    return f"{value.key}" if isinstance(value, published.PublishedTable) else f"{value.method}-{value.metric}"


def mean(row):
    printed = [value for value in row.values if value is not None]
    return sum(printed) / len(printed)


@pytest.mark.parametrize("paper", TABLES_OF_PAPERS)
def test_every_table_of_a_paper_is_there_once(paper):
    numbers = [table.table for table in published.published_tables().values() if table.paper == paper]
    assert tuple(number for number in numbers if "." not in number) == TABLES_OF_PAPERS[paper]


def test_papers_are_the_five():
    assert set(published.papers()) == set(TABLES_OF_PAPERS)


@pytest.mark.parametrize(
    ("table", "row"), [(t, r) for t, r in ROWS if r.average is not None and r.values and not r.garbled], ids=row_name
)
def test_average_is_the_mean_of_the_cells_or_the_row_says_so(table, row):
    agrees = abs(mean(row) - row.average) <= TOLERANCE[row.unit] + 1e-9
    assert agrees == (row.average_note is None), f"{row.average} printed, mean {mean(row):.3f}"


@pytest.mark.parametrize(("table", "row"), [(t, r) for t, r in ROWS if r.average_note], ids=row_name)
def test_note_of_an_average_names_the_mean(table, row):
    named = float(row.average_note.rsplit(maxsplit=1)[-1])
    assert named == pytest.approx(mean(row), abs=TOLERANCE[row.unit] / 20)


def test_garbled_rows_of_which_one_cell_is_lost_leave_room_for_it():
    # The average that is printed must come out with some score from 0 to 100 in the lost cell.
    rows = [row for _, row in ROWS if row.garbled and row.average is not None]
    assert rows
    for row in rows:
        [lost] = [index for index, value in enumerate(row.values) if value is None]
        assert 0 <= len(row.values) * row.average - sum(row.values[:lost] + row.values[lost + 1 :]) <= 100


def test_rows_that_several_tables_print_are_the_same():
    # Papers quote each other; a cell that differs is a slip of the transcription.
    seen = {}
    names = {"handcrafted": "cpm", "alexnet": "anet", "trained jointly": "of", "jaa-net": "jaa"}
    compared = 0
    for table, row in ROWS:
        if not row.values or row.setting or row.protocol == "statistics":
            continue
        name = row.method.casefold()
        name = names.get(name, name).removesuffix("-net")
        key = (name, row.data, row.metric, table.column_names, row.protocol == "folds-10", row.protocol == "cross")
        if key in seen:
            compared += 1
            pairs = zip((*row.values, row.average), seen[key], strict=True)
            assert [pair for pair in pairs if None not in pair and pair[0] != pair[1]] == [], f"{table.key}, {name}"
        seen.setdefault(key, (*row.values, row.average))
    assert compared >= 30


@pytest.mark.parametrize(
    ("key", "method", "metric", "average"),
    [
        ("eacnet-table3", "EAC-Net", "f1", 55.9),
        ("ofnet-table1", "OF-Net", "accuracy", 75.6),
        ("renet-table5", "RE-Net", "mae", 0.22),
        ("hybrid-table2", "ANet transferred", "f1", 43.4),
        ("tcae-table2", "TCAE", "f1", 45.0),
    ],
)
def test_headline_scores(key, method, metric, average):
    assert [r.average for r in published.table(key).rows if (r.method, r.metric) == (method, metric)] == [average]


def test_fraction_in_a_cell_is_read():
    shift = dict(
        zip(published.table("eacnet-table1").aus, published.table("eacnet-table1").rows[0].values, strict=True)
    )
    assert shift[2] == pytest.approx(1 / 3)
    assert shift[4] == pytest.approx(-1 / 3)


def test_unknown_key_names_near_ones():
    with pytest.raises(UserError, match="no published table 'eacnet-tabel3'; did you mean eacnet-table3"):
        published.table("eacnet-tabel3")


def test_page_for_people_is_that_of_the_numbers():
    page = Path(__file__).parents[2] / "docs" / "published.md"
    assert page.read_text(encoding="utf-8") == "\n".join(published.markdown()) + "\n", (
        "run: python -m actionunits.evaluation.published > docs/published.md"
    )


def test_reading_is_light():
    code = "import sys, actionunits.evaluation.published; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def small_file(tmp_path, table=None, row=None):
    entry = {
        **{"paper": "p", "table": "I", "page": 3, "caption": "Scores.", "data": "bp4d", "train_data": "bp4d"},
        **{"protocol": "folds-3", "metric": "f1", "unit": "percent", "occurrence_level": 1, "aus": [1, 2]},
        **(table or {}),
    }
    entry["rows"] = [{"method": "A", "values": [1.0, 2.0], **(row or {})}]
    content = {"papers": {"p": {"title": "P", "authors": "Q", "venue": "V", "year": 2000}}, "tables": {"p-1": entry}}
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_row_takes_from_its_table_what_it_does_not_say(tmp_path):
    _, tables = published.read(small_file(tmp_path, row={"metric": "accuracy"}))
    row = tables["p-1"].rows[0]
    assert (row.metric, row.unit, row.data, row.occurrence_level) == ("accuracy", "percent", "bp4d", 1)
    assert tables["p-1"].column_names == ("AU01", "AU02")


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ({}, {"values": [1.0]}, "table p-1, row A: 1 values for 2 columns"),
        ({}, {"values": [1.0, "1.0.2"]}, "'1.0.2' is not a number"),
        ({}, {"values": ["1/0", 1.0]}, "'1/0' is not a number"),
        ({}, {"metric": "f2"}, "metric 'f2' is not one of f1"),
        ({}, {"unit": "ms"}, "unit of f1 'ms' is not one of percent, fraction"),
        ({}, {"model": "vgg"}, "model 'vgg' is not one of eacnet"),
        ({}, {"avarage": 1.5}, "field 'avarage' is not one of method"),
        ({}, {"occurrence_level": 9}, "occurrence_level '9' is not one of None, 1"),
        ({}, {"garbled": True}, "'garbled' but every cell has a number"),
        ({"aus": [1, 3]}, {}, "table p-1: AU '3' is not one of 1, 2, 4"),
        ({"data": "ck+"}, {}, "data 'ck\\+' is not one of bp4d"),
        ({"paper": "q"}, {}, "paper 'q' is not one of p"),
        ({"page": None}, {}, "no page"),
        ({"columns": ["x", "y"]}, {}, "both 'aus' and 'columns'"),
    ],
)
def test_mistake_in_the_file_is_named(tmp_path, table, row, message):
    with pytest.raises(UserError, match=message):
        published.read(small_file(tmp_path, table, row))


@pytest.mark.parametrize(("field", "message"), [("caption", "caption"), ("metric", "no field 'metric'")])
def test_missing_field_is_named(tmp_path, field, message):
    path = small_file(tmp_path)
    content = yaml.safe_load(path.read_text())
    del content["tables"]["p-1"][field]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=message):
        published.read(path)
