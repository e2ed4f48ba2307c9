"""Every option of every command, with hostile values: an exit code of ours, one line, and never a traceback."""

from __future__ import annotations

import pytest
import typer

from actionunits import cli
from actionunits.errors import one_line

HOSTILE = (
    *("nan", "inf", "-inf", "-1", "0", "1e308", "99999999999999999999", "", "text", "x" * 5000, "a\x1b[31m\x07"),
    *("..", "=", "[", ",", "1,1", "0.5,nan", "--out", "%s", "١"),
)
NOT_NUMBERS = ("nan", "inf", "-inf", "1e308", "99999999999999999999", "", "text", "-1e9")


def commands() -> dict[str, object]:
    """Commands by the words that call them."""
    found: dict[str, object] = {}

    def walk(command, words):
        inner = getattr(command, "commands", None)
        if inner is None:
            found[" ".join(words)] = command
            return
        for name, below in inner.items():
            walk(below, (*words, name))

    walk(APP, ())
    return found


APP = typer.main.get_command(cli.app)
COMMANDS = commands()
VALUED = [
    (name, parameter)
    for name, command in COMMANDS.items()
    for parameter in command.params  # type: ignore[attr-defined]
    if not getattr(parameter, "is_flag", False)
]


def is_number(parameter) -> bool:
    return parameter.type_descriptor.annotation in (int, float)


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Runs a command in an empty folder where nothing is computed; gives exit code and what it told."""
    monkeypatch.chdir(tmp_path)

    def run(words):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        return ended.value.code or 0, capfd.readouterr().err

    return run


def words_for(name: str, changed, value: str) -> list[str]:
    """A command line with every required argument, one of its values changed."""
    words: list[str] = []
    for parameter in COMMANDS[name].params:  # type: ignore[attr-defined]
        given = value if parameter is changed else valid(parameter)
        if given is None:
            continue
        if parameter.param_type_name == "argument":
            words.append(given)
        else:
            words += [max(parameter.opts, key=len), given]
    return [*name.split(), *words]


def valid(parameter) -> str | None:
    """What a required argument is given where another one is tried."""
    if parameter.name == "weights":
        return "missing"  # else `detect` would load networks first
    if not parameter.required:
        return None
    if is_number(parameter):
        return "12"
    return {"out": "out.png", "model": "resnet18", "layout": "bp4d"}.get(parameter.name, "missing")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameter"), VALUED, ids=lambda v: v if isinstance(v, str) else v.name)
def test_hostile_values_end_in_one_line(call, tmp_path, name, parameter):
    for value in HOSTILE:
        code, told = call(words_for(name, parameter, value))
        assert code in (0, 2), (value, told)
        assert "Traceback" not in told and told.count("\n") <= 1, (value, told)
        assert code == 0 or told.startswith("actionunits: "), (value, told)
        assert all(c.isprintable() for c in told.rstrip("\n")) and len(told) < 3000
    assert not list(tmp_path.rglob("*")), "something was written"


@pytest.mark.parametrize(
    ("name", "parameter"), [v for v in VALUED if is_number(v[1])], ids=lambda v: v if isinstance(v, str) else v.name
)
def test_a_number_is_finite_and_within_bounds_before_anything_else(call, name, parameter):
    for value in NOT_NUMBERS:
        code, told = call(words_for(name, parameter, value))
        flag = max(parameter.opts, key=len)
        assert code == 2, (value, told)
        assert not value or flag in told or parameter.name in told, (value, told)


def test_the_walk_meets_every_command():
    assert {"detect", "train", "evaluate", "compare", "synth", "prepare", "data describe", "report tsne"} <= set(
        COMMANDS
    )
    assert len(VALUED) > 120


@pytest.mark.parametrize("text", ["plain", "a\nb\x1b[31m\u202e", "x" * 10**6])
def test_a_message_is_one_line_whatever_it_quotes(text):
    line = one_line(text)
    assert line.isprintable() and len(line) < 2100 and (text != "plain" or line == text)
