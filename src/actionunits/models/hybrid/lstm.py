"""Stacked LSTMs over the frames of a clip, whole or piece by piece with the state between (Sec. III-B, Eq. 3).

Deviations: PyTorch's LSTM has two biases for the paper's one; their sum is what counts. AuLstm is ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

NAME_UNITS = 6  # that tell AuLstm which AU it follows
# At 0 an LSTM begins by forgetting half in every frame: Jozefowicz, Zaremba & Sutskever, "An empirical exploration of
# recurrent network architectures", ICML 2015. 1.5 keeps four fifths.
FORGET_BIAS = 1.5


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


class AuLstm(nn.Module):
    """Scores of frames to the score of every AU, by LSTMs that serve all AUs and follow each of them apart.

    They read the AU's own score, the mean score of the frame, and a learned name of the AU. So they learn what scores
    do over time, from A times as many sequences, and little of what a face looks like.
    """

    def __init__(self, units: int, layers: int, aus: int, dropout: float, initial_range: float) -> None:
        super().__init__()
        self.names = nn.Parameter(torch.randn(aus, NAME_UNITS))
        self.bias = nn.Parameter(torch.zeros(aus))
        self.shared = StackedLstm(2 + NAME_UNITS, units, layers, 1, dropout, initial_range)
        for layer in range(layers):
            # Of torch's blocks of biases the second is of the forget gates.
            nn.init.constant_(getattr(self.shared.lstm, f"bias_ih_l{layer}")[units : 2 * units], FORGET_BIAS)

    @property
    def output(self) -> nn.Linear:
        """The last layer of the LSTMs."""
        return self.shared.output

    def begin(self, sequences: int) -> LstmState:
        """The state before the first frame."""
        state = self.shared.begin(sequences)
        return LstmState(*(part.repeat(1, 1, len(self.names)) for part in state))

    def forward(self, scores: Tensor, lengths: list[int] | None, state: LstmState) -> tuple[Tensor, LstmState]:
        """As of StackedLstm, from scores (B, A); the state has the units of one AU after those of the other."""
        aus, layers, units = len(self.names), *state.hidden.shape[::2]
        units //= aus
        # The sequences of the first AU, then those of the second.
        own, mean = scores.T[..., None], scores.mean(1)[None, :, None].expand(aus, -1, 1)
        names = self.names[:, None].expand(-1, scores.shape[0], -1)
        features = torch.cat([own, mean, names], 2).flatten(0, 1)
        apart = LstmState(*(s.unflatten(2, (aus, units)).transpose(1, 2).reshape(layers, -1, units) for s in state))
        said, after = self.shared(features, None if lengths is None else lengths * aus, apart)
        joined = (s.unflatten(1, (aus, -1)).transpose(1, 2).flatten(2) for s in after)
        return said.view(aus, -1).T + self.bias, LstmState(*joined)
