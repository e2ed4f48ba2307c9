"""Values from files and options, held against the types beside a dataclass's fields before any work is done.

pydantic compares, and the words are ours. It is imported where it is needed: models load without it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import reprlib
from collections.abc import Mapping
from functools import cache, partial
from typing import Annotated, Any, get_args, get_type_hints

from actionunits.errors import UserError

# What a value must be, by pydantic's name of the fault.
_WANTED = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a group of names with values",
    "too_short": "longer",
    "too_long": "shorter",
    "missing": "longer",
    "literal_error": "one of {expected}",
}
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 2, 60, 60, 60


def make_config(kind: type[Any], values: Any, where: str) -> Any:
    """Config dataclass `kind` from plain values; lists become tuples. `where` opens the error line.

    Raises UserError for a setting the model does not have, a value of another type or outside its range, and
    values that do not go together.
    """
    names = [f.name for f in dataclasses.fields(kind)]
    checked = check_values(kind, values, where)
    strangers = [name for name in values if name not in names]
    if strangers:
        raise UserError(f"{where}: the model has no setting {shown(strangers[0])}; it has {', '.join(names)}")
    try:
        return kind(**checked)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def check_values(kind: type[Any], values: Any, where: str) -> dict[str, Any]:
    """Those of the values that are fields of dataclass `kind`, as its types; names that it lacks are left out.

    Whole numbers pass for fractions, and words such as 1e-3 for numbers, as YAML reads them; lists become tuples.
    Raises UserError, opened by `where`, for values that are no mapping, and for one that is not as its type says.
    """
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: expected names with values, found {shown(values)}")
    from pydantic import ValidationError

    try:
        return _form(kind).validate_python(values)  # type: ignore[arg-type, no-any-return]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = " ".join(map(str, first["loc"]))
    limits = {key: value if isinstance(value, str) else f"{value:,}" for key, value in first.get("ctx", {}).items()}
    wanted = _WANTED.get(first["type"], "of another kind").format(**limits)
    raise UserError(f"{where}: {name} is {shown(first['input'])}; it must be {wanted}")


def shown(value: Any) -> str:
    """A value for an error line, cut short: it may be huge, or hold itself.

    >>> shown("word"), shown(None), shown([1, [2, [3]]])
    ("'word'", 'empty', '[1, [2, [...]]]')
    """
    if value is None:
        return "empty"
    try:
        return _SHORT.repr(value)
    except ValueError:
        return "a number of thousands of digits"


@cache
def _form(kind: type[Any]) -> Any:
    """What pydantic makes of a dataclass's types: a mapping in which no name is required."""
    from pydantic import BeforeValidator, ConfigDict, TypeAdapter, with_config
    from typing_extensions import TypedDict

    hints = get_type_hints(kind, include_extras=True)
    fields = {
        f.name: Annotated[hints[f.name], BeforeValidator(partial(_plain, _is_fraction(hints[f.name])))]
        for f in dataclasses.fields(kind)
    }
    rules = ConfigDict(strict=True, allow_inf_nan=False)
    return TypeAdapter(with_config(rules)(TypedDict(kind.__name__, fields, total=False)))  # type: ignore[operator, misc]


def _is_fraction(hint: Any) -> bool:
    return hint is float or any(_is_fraction(inner) for inner in get_args(hint))


def _plain(fraction: bool, value: Any) -> Any:
    """A list as a tuple and, where fractions belong, words as numbers: YAML reads 1e-3 as a word."""
    if isinstance(value, list | tuple):
        return tuple(_number(item) if fraction else item for item in value)
    return _number(value) if fraction else value


def _number(value: Any) -> Any:
    if isinstance(value, str) or type(value) is int:
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    return value
