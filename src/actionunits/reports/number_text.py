"""How shares, times and intensities are worded in pictures and summaries."""

from __future__ import annotations

from actionunits.aus import INTENSITY_LETTERS, INTENSITY_MAX


def intensity_text(intensity: float, with_letter: bool = True) -> str:
    """Intensity with one decimal and, where wanted, its FACS letter.

    >>> intensity_text(3.4), intensity_text(0.2), intensity_text(3.46), intensity_text(3.4, with_letter=False)
    ('3.4 C', '0.2', '3.5 D', '3.4')
    """
    shown = min(max(round(intensity, 1), 0.0), INTENSITY_MAX)
    letter = INTENSITY_LETTERS[int(shown + 0.5)]  # of the printed number, halves up
    return f"{intensity:.1f} {letter}" if with_letter and letter != "-" else f"{intensity:.1f}"


def percent(share: float) -> str:
    """Share as a whole percentage that says 0 and 100 only where it is exact.

    >>> percent(0.0), percent(0.001), percent(0.999), percent(1.0)
    ('0%', '<1%', '>99%', '100%')
    """
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def people_word(count: int) -> str:
    """What so many are called.

    >>> people_word(1), people_word(2)
    ('person', 'people')
    """
    return "person" if count == 1 else "people"


def clock_text(time_s: float, end_s: float, step_s: float) -> str:
    """Seconds as text on an axis that ends at `end_s`: plain below two minutes, then min:s, then h:min:s.

    >>> clock_text(1.5, 9.0, 0.5), clock_text(90.0, 600.0, 30.0), clock_text(3690.0, 7200.0, 600.0)
    ('1.5', '1:30', '1:01:30')
    """
    if end_s < 120:
        decimals = 0 if step_s >= 1 else 1 if step_s >= 0.1 else 2
        return f"{time_s:.{decimals}f}"
    minutes, seconds = divmod(round(time_s), 60)
    if end_s < 3600:
        return f"{minutes}:{seconds:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def moment_text(time_s: float) -> str:
    """A point in time as min:s with tenths, or h:min:s from one hour on.

    >>> moment_text(3.25), moment_text(3690.0)
    ('0:03.2', '1:01:30')
    """
    if time_s >= 3600:
        return clock_text(time_s, time_s, 1.0)
    minutes, tenths = divmod(round(time_s * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"
