"""How often a frame is shown where some AUs are scarce.

Sources: EAC-Net, section IV-A and Table II; OF-Net, section IV-A and Table II; RE-Net, section 4.6 and Table 8.
Deviation: the papers name their scarce AUs or do not say how they chose them; here the rates of the
training labels tell, unless AUs are named. A label that is not known has no part in anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from actionunits.aus import au_label
from actionunits.errors import UserError

Balance: TypeAlias = Literal["none", "repeat", "duplicate"]
BALANCES = get_args(Balance)
REPEAT_TIMES = (4.0, 7.0)  # EAC-Net and OF-Net: "4 to 7 times"
GROUP_RATIO = 2.0  # RE-Net: the frequent AUs of BP4D occur "almost 2-3 times more than the others"


def au_rates(au_present: np.ndarray, au_present_valid: np.ndarray) -> np.ndarray:
    """Share of the known labels that are present, (A,); 0 for an AU without a known label.

    au_present: (N, A) 0 or 1; au_present_valid: (N, A) bool.
    """
    present = (au_present > 0) & au_present_valid
    return present.sum(0) / np.maximum(au_present_valid.sum(0), 1)


def scarce_aus(rates: np.ndarray) -> np.ndarray:
    """Which AUs are the scarce ones, (A,) bool; none where the rates do not fall into two groups.

    EAC-Net: "the AUs are divided into 2 groups". The groups are those whose logarithmic rates lie closest to their
    own mean; their geometric means must differ by GROUP_RATIO or more. Table II of EAC-Net gives AUs 1, 2, 4, 15, 23
    and 24, Table II of OF-Net AUs 1, 2 and 9. An AU that never occurs cannot be shown more often and is in no group.
    """
    found = rates > 0
    logs = np.sort(np.log(rates[found]))
    scarce = np.zeros(len(rates), bool)
    splits = range(1, len(logs))
    if not splits:
        return scarce
    split = min(splits, key=lambda k: logs[:k].var() * k + logs[k:].var() * (len(logs) - k))
    if logs[split:].mean() - logs[:split].mean() >= np.log(GROUP_RATIO):
        scarce[found] = np.log(rates[found]) <= logs[split - 1]
    return scarce


def repeat_weight(
    au_present: np.ndarray,
    au_present_valid: np.ndarray,
    scarce: np.ndarray | None = None,
    times: tuple[float, float] = REPEAT_TIMES,
) -> np.ndarray:
    """How often each row is shown per epoch, (N,): 4 to 7 times for a row with a scarce AU, once for the others.

    A row gets the largest factor among its present scarce AUs: 1 / rate, within `times`. EAC-Net and OF-Net give
    the range alone; on the rates of EAC-Net's Table II this is 4.2 for AU1 to 6.7 for AU15, and the rates
    afterwards are close to the table's. scarce: (A,) bool, `scarce_aus` of the labels when None.
    """
    rates = au_rates(au_present, au_present_valid)
    scarce = scarce_aus(rates) if scarce is None else scarce
    factor = np.where(scarce, np.clip(1 / np.maximum(rates, 1e-9), *times), 1.0)
    return np.where((au_present > 0) & au_present_valid, factor, 1.0).max(1)


def duplicate_weight(
    au_present: np.ndarray, au_present_valid: np.ndarray, scarce: np.ndarray | None = None
) -> np.ndarray:
    """Twice for each row with a scarce AU, once for the others, (N,).

    RE-Net: "duplicate the AUs (AU1, AU2, AU15, AU23 and AU24) one time if a positive label is observed". By rate AU4
    would be one of them, since it is as scarce as AU1 in BP4D: name the five to repeat Table 8.
    """
    scarce = scarce_aus(au_rates(au_present, au_present_valid)) if scarce is None else scarce
    return 1.0 + ((au_present > 0) & au_present_valid & scarce).any(1)


def balance_weight(
    balance: str,
    aus: Sequence[int],
    au_present: np.ndarray,
    au_present_valid: np.ndarray,
    named: Sequence[int] = (),
    times: tuple[float, float] = REPEAT_TIMES,
) -> np.ndarray | None:
    """The rule by name ("none", "repeat", "duplicate"); None where every row is shown once.

    named: the scarce AUs, by rate when empty. Raises UserError for an unknown rule or AU, or an impossible range.
    """
    if balance not in BALANCES:
        raise UserError(f"unknown balance '{balance}'; known are {', '.join(BALANCES)}")
    missing = sorted(set(named) - set(aus))
    if missing:
        raise UserError(f"balance_aus names {au_label(missing[0])}, which the data does not code")
    if len(times) != 2 or not 1 <= times[0] <= times[1]:
        raise UserError(f"balance_times must be two rising numbers from 1 on, not {', '.join(map(str, times))}")
    scarce = np.isin(aus, list(named)) if named else None
    if balance == "repeat":
        return repeat_weight(au_present, au_present_valid, scarce, times)
    if balance == "duplicate":
        return duplicate_weight(au_present, au_present_valid, scarce)
    return None
