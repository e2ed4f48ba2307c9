"""What a user asks for with an input, besides the detector."""

from __future__ import annotations

from dataclasses import dataclass, field

from actionunits.errors import UserError
from actionunits.media import FrameChoice


@dataclass(frozen=True)
class AnalysisOptions:
    """What to write for an input, and relative to what.

    neutral: a frame number as in the table's `frame` column (from 1), moments in seconds such as "3.2s" or
    "3.2s,40s", a picture of the person, or a table of moments, see neutral_table.py. calibrate: the person's own
    resting face instead. fps: the pictures of a folder are the frames of one sequence at this rate.
    all_openface_aus: see `make_schema`. annotate: draw the picture, with the flow too where the detector gives it.
    timeline: draw it, as a figure with this ending. allow_network: addresses are opened. sides: intensities of left
    and right too. episodes, elan: write the episodes of a video, as a table, and for ELAN. frames: which of an input
    are analysed. relations: write how action units go together, and people. same_people: a person keeps the number
    over a whole video, and has one over all inputs. gaze: columns of it. eyes_closed: AU43 too. Raises UserError for
    two neutral references.
    """

    schema: str = "openface"
    pose: bool = True
    landmarks: bool = True
    all_openface_aus: bool = True
    annotate: bool = False
    timeline: str | None = None
    neutral: str | None = None
    calibrate: bool = False
    fps: float | None = None
    allow_network: bool = False
    sides: bool = False
    episodes: bool = False
    elan: bool = False
    frames: FrameChoice = field(default_factory=FrameChoice)
    relations: bool = False
    same_people: bool = False
    gaze: bool = False
    eyes_closed: bool = False

    def __post_init__(self) -> None:
        if self.neutral is not None and self.calibrate:
            raise UserError("--neutral and --calibrate exclude each other")
