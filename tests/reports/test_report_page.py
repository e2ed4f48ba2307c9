"""The report of a run in a real Chromium, from a disk without a network: it opens, sorts, and prints."""

import re

import pytest
from chromium import launched, needs_chromium

from actionunits.aus import SYNTH_AUS, au_label
from actionunits.reports.episodes import Episode
from actionunits.reports.html_report import FACTORS, ReportedInput, write_report

pytestmark = needs_chromium
NAMES = ("10.mp4", "9.mp4", "a clip of somebody with a name that is longer than a column.mp4")
PEOPLE = (0, 1, 2)


def card(number):
    """Of a video with three people, whose numbers differ from file to file and from action unit to action unit."""
    summary = [
        {"face_id": str(person), "usable_share": 0.9}
        | {
            au_label(au): dict.fromkeys(FACTORS) | {"rate": 0.03 * au + 0.001 * number, "episodes": person}
            for au in SYNTH_AUS
        }
        for person in PEOPLE
    ]
    return {
        **{"frames_written": 100, "frames_with_face": 100, "frames_usable": 90, "people": 3, "summary": summary},
        **{"quality": {}, "damage": None, "interrupted": False, "without_neutral_reference": [], "notes": []},
        **{"versions": {}, "model": "m", "weights_sha256": "0" * 64, "thresholds": {}, "input_files": {"files": 2}},
        "options": {"calibrate": False, "neutral": None, "fps": None},
    }


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    episodes = [Episode(p, au, 1.0 + p, 2.0, 4.0, 3.0) for p in PEOPLE for au in SYNTH_AUS]
    inputs = [ReportedInput(str(folder / name), card(k), episodes) for k, name in enumerate(NAMES)]
    write_report(folder / "report.html", inputs, {"bad.mp4": "it is cut"}, "actionunits detect")
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    with launched() as opened:
        yield opened


@pytest.fixture
def page(browser, report, request):
    """The page, without a network; it asks for nothing but itself, and no script of it fails."""
    context = browser.new_context(offline=True, color_scheme=getattr(request, "param", "light"))
    shown, asked, faults = context.new_page(), [], []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.goto(report.as_uri())
    yield shown
    context.close()
    assert (asked, faults) == ([report.as_uri()], [])


def column(page, at):
    return page.evaluate(f"[...document.querySelectorAll('tbody tr')].map(row => row.cells[{at}].innerText)")


def test_a_heading_sorts_upwards_and_then_downwards(page):
    assert len(column(page, 0)) == len(NAMES) * len(PEOPLE) * len(SYNTH_AUS)
    page.click("th:has-text('rate') span")
    rates = list(map(float, column(page, 5)))
    assert rates == sorted(rates) and len(set(rates)) > 10
    page.click("th:has-text('rate') span")
    assert list(map(float, column(page, 5))) == rates[::-1]
    assert page.get_attribute("th:has-text('rate')", "aria-sort") == "descending"
    # By the keyboard; names with numbers go as people count.
    page.focus("th:has-text('file') span")
    page.keyboard.press("Enter")
    names = column(page, 0)
    assert list(dict.fromkeys(names)) == [NAMES[1], NAMES[0], NAMES[2]]
    assert page.evaluate("[...document.querySelectorAll('th')].filter(th => th.ariaSort).length") == 1


def test_empty_cells_stay_last(page):
    page.evaluate("document.querySelectorAll('tbody tr')[3].cells[5].textContent = ''")
    for _ in range(2):
        page.click("th:has-text('rate') span")
        assert column(page, 5)[-1] == ""


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_words_stand_out_in_light_and_dark_and_nothing_is_wider_than_the_page(page):
    def brightness(element, what):
        colour = page.evaluate(f"getComputedStyle(document.querySelector('{element}')).{what}")
        return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3

    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for element, what in (("body", "color"), ("svg text", "fill"), ("td", "color")):
        assert (brightness(element, what) > 180) if dark else (brightness(element, what) < 80)
    for element in (".warnings", "tr:nth-child(even) td"):
        assert (
            (brightness(element, "backgroundColor") < 80) if dark else (brightness(element, "backgroundColor") > 180)
        )
    for width in (1200, 400):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("page", ["dark"], indirect=True)
def test_it_prints_on_pages_with_nothing_cut(page):
    printed = page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 4 <= pages <= 12
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 less its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    heights = "[...document.querySelectorAll('tr, svg')].map(each => each.getBoundingClientRect().height)"
    highest = max(page.evaluate(heights))
    assert highest < 1000
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(34, 34, 34)"
