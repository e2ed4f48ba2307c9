"""Stacked LSTMs over the frames of a clip, whole or piece by piece with the state between (Sec. III-B, Eq. 3).

Deviation: PyTorch's LSTM has two biases for the paper's one; their sum is what counts.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence


class LstmState(NamedTuple):
    """What the LSTMs remember of S sequences; a sequence that has not begun has zeros."""

    hidden: Tensor  # (layers, S, units)
    cell: Tensor  # (layers, S, units)

    @classmethod
    def join(cls, states: list[LstmState]) -> LstmState:
        """The sequences of several, one after the other."""
        return cls(torch.cat([s.hidden for s in states], 1), torch.cat([s.cell for s in states], 1))

    def of(self, sequence: int) -> LstmState:
        """One sequence alone."""
        part = slice(sequence, sequence + 1)
        return LstmState(self.hidden[:, part], self.cell[:, part])

    def tensors(self) -> dict[str, Tensor]:
        """Both, by their names."""
        return self._asdict()

    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> LstmState:
        """The state of what `tensors` gave."""
        return cls(**tensors)


class StackedLstm(nn.Module):
    """Features of frames to the score of every AU, before the hyperbolic tangent."""

    def __init__(
        self, features: int, units: int, layers: int, aus: int, dropout: float, initial_range: float
    ) -> None:
        super().__init__()
        # Dropout between layers; that of the input and of the last hidden layer is ours.
        self.lstm = nn.LSTM(features, units, layers, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units, aus)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.uniform_(parameter, -initial_range, initial_range)
            else:
                nn.init.zeros_(parameter)

    def begin(self, sequences: int) -> LstmState:
        """The state before the first frame."""
        like = self.output.weight
        zeros = like.new_zeros(self.lstm.num_layers, sequences, self.lstm.hidden_size)
        return LstmState(zeros, zeros)

    def forward(self, frames: Tensor, lengths: list[int] | None, state: LstmState) -> tuple[Tensor, LstmState]:
        """frames: (B, D), the sequences one after the other, `lengths` frames each -> scores (B, A) and the state.

        lengths: None where every row is a sequence of one frame.
        """
        if lengths is None:
            hidden, (last, cell) = self.lstm(self.dropout(frames)[None], tuple(state))
            return self.output(self.dropout(hidden[0])), LstmState(last, cell)
        packed = pack_sequence(list(self.dropout(frames).split(lengths)), enforce_sorted=False)
        hidden, (last, cell) = self.lstm(packed, tuple(state))
        padded, length = pad_packed_sequence(hidden, batch_first=True)
        there = torch.arange(padded.shape[1]) < length[:, None]
        return self.output(self.dropout(padded[there.to(padded.device)])), LstmState(last, cell)
