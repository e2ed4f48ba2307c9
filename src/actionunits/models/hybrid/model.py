"""The hybrid network: a CNN reads single frames, LSTMs their features over time, and a fusion network weighs both.

Chu, De la Torre & Cohn, "Learning Spatial and Temporal Cues for Multi-label Facial Action Unit Detection", FG 2017.
Deviations: those of `cnn`, `projection`, `lstm`, `fusion` and `loss`.

Symbols: S sequences, K components.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import (
    BuildsOnVariants,
    EntersStages,
    FollowsTime,
    GoesOnFrom,
    HasPictureNetwork,
    LearnsFromSequences,
    SequenceSampling,
    Stage,
    TransfersBySvm,
)
from actionunits.models.hybrid import loss
from actionunits.models.hybrid.cnn import Cnn
from actionunits.models.hybrid.config import VARIANTS, HybridConfig
from actionunits.models.hybrid.fusion import Fusion
from actionunits.models.hybrid.lstm import AuLstm, LstmState, StackedLstm
from actionunits.models.hybrid.projection import Projection
from actionunits.models.layers.middle import middle_of

STAGES = ("cnn", "lstm", "fusion")
# What forward() computes: that of a variant, or ANet^T, whose last layer reads fc7 at unit length.
NETWORKS = (*VARIANTS, "anet_t")


class HybridNet(
    nn.Module,
    EntersStages,
    LearnsFromSequences,
    FollowsTime,
    HasPictureNetwork,
    GoesOnFrom,
    BuildsOnVariants,
    TransfersBySvm,
):
    """The network of `config.variant`, or, while its recipe is under way, the one that it has come to."""

    au_outputs: ClassVar[dict[str, int]] = {
        "cnn.fc8.": 1,
        "lstm.output.": 1,
        "lstm.names": 1,
        "lstm.bias": 1,
        "fusion.mixing": 2,
        "fusion.output.": 1,
    }
    network: Tensor

    def __init__(self, config: HybridConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        self.first_stage = 0
        c, outputs = config, len(aus)
        # Which of NETWORKS the weights are of: it decides what runs, and is a part of every saved state.
        self.register_buffer("network", torch.tensor(NETWORKS.index(c.variant)))
        # The CNN first: with one seed it starts alike in all variants.
        self.cnn = Cnn(c.seen_size, c.width, c.stride, c.fc_units, outputs, c.dropout)
        self.projection: Projection | None = None
        self.lstm: StackedLstm | AuLstm | None = None
        self.fusion: Fusion | None = None
        if c.variant in ("lstm", "hybrid"):
            self.projection = Projection(c.fc_units, c.components, c.component_scale == "each")
            sizes = (c.lstm_units, c.lstm_layers, outputs, c.lstm_dropout, c.initial_range)
            read = self.projection.outputs + outputs * (c.lstm_reads == "fc7_and_scores")
            self.lstm = AuLstm(*sizes) if c.lstm_reads == "each_score" else StackedLstm(read, *sizes)
            if c.lstm_says == "corrections":
                nn.init.zeros_(self.lstm.output.weight)
        if c.variant == "hybrid":
            self.fusion = Fusion(outputs, c.fusion_units, c.fusion_scores == "unit")

    def enter_stage(self, stage: Stage) -> None:
        """Become the network that a stage trains."""
        self.enter_network(VARIANTS[STAGES.index(stage.name)])
        if stage.name == "cnn" and self.projection is not None:
            self.projection.fitted.fill_(False)  # of features that are about to change

    def enter_network(self, name: str) -> None:
        """Become one of NETWORKS, as far as the variant has it."""
        self.network.fill_(NETWORKS.index(name))

    def go_on_from(self, source: HybridNet) -> tuple[str, ...]:
        """Leave out the stages that `source` has been through, but the last; prefixes of what it may lack.

        A network of the same variant trains its last stage once more.
        """
        been = VARIANTS.index(source.config.variant) + 1
        self.first_stage = min(been, VARIANTS.index(self.config.variant))
        return "projection.", "lstm.", "fusion."

    @classmethod
    def place_in_recipe(cls, config: HybridConfig) -> int:
        """Position of the variant among VARIANTS."""
        return VARIANTS.index(config.variant)

    def enter_picture_network(self) -> None:
        """Become the CNN."""
        self.enter_network("anet")

    def follows_time(self) -> bool:
        """Whether the output for a frame depends on the frames before."""
        return NETWORKS[int(self.network)] in ("lstm", "hybrid")

    def svm_layer(self) -> nn.Linear:
        """Become ANet^T, the paper's way to other data (Sec. IV-D); its layer that reads `features`."""
        self.enter_network("anet_t")
        return self.cnn.fc8

    def fc7(self, batch: Batch) -> Tensor:
        """What the CNN makes of the pictures, (B, fc_units)."""
        return self.cnn(middle_of(batch.image, self.config.magnification, self.config.seen_size))

    def features(self, batch: Batch) -> Tensor:
        """The representation "fc7", of unit length, (B, fc_units). Sec. III-A."""
        return F.normalize(_full(self.fc7(batch)), dim=1)

    def fit(self, batches: Iterable[Batch]) -> None:
        """Take the components of fc7 from the training frames, unless they were taken before."""
        assert self.projection is not None
        if not self.projection.fitted:
            self.projection.fit((self.features(batch) for batch in batches), self.config.energy)

    def frame_features(self, batch: Batch) -> Tensor:
        """All that the later stages read of a frame: components of fc7 and the CNN's scores, (B, K + A)."""
        assert self.projection is not None
        fc7 = self.fc7(batch)
        with torch.autocast(fc7.device.type, enabled=False):
            return torch.cat([self.projection(F.normalize(_full(fc7), dim=1)), self.cnn.scores(fc7)], 1)

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, (B, A). Rows of one `batch.sequence` follow each other in time from its beginning."""
        return self.stream(batch, None)[0]

    def begin(self) -> LstmState:
        """The state of one sequence before its first frame."""
        assert self.lstm is not None
        return self.lstm.begin(1)

    def stream(self, batch: Batch, state: LstmState | None) -> tuple[Output, LstmState | None]:
        """`forward` that goes on where the sequences stood, and where they stand afterwards.

        state: of the sequences of the batch in the order of their numbers; None at their beginning. Frames that a
        sequence lacks are passed over: the state waits.
        """
        network = NETWORKS[int(self.network)]
        if network == "anet":
            return Output(self.cnn.scores(self.fc7(batch))), state
        if network == "anet_t":
            return Output(self.cnn.scores(self.features(batch))), state
        assert self.projection is not None and self.lstm is not None
        frames = self.frame_features(batch) if batch.features is None else batch.features
        order, lengths = _in_sequence(batch.sequence)
        with torch.autocast(frames.device.type, enabled=False):
            components, spatial = _full(frames).split([self.projection.outputs, len(self.aus)], 1)
            if state is None:
                state = self.lstm.begin(frames.shape[0] if lengths is None else len(lengths))
            read = {"fc7": components, "each_score": spatial}.get(self.config.lstm_reads)
            read = torch.cat([components, spatial], 1) if read is None else read
            in_order, state = self.lstm(read if order is None else read[order], lengths, state)
            temporal = in_order if order is None else torch.empty_like(in_order).index_copy(0, order, in_order)
            if self.config.lstm_says == "corrections":
                temporal = temporal + spatial / 2  # the log-odds are twice the score before tanh
            if network == "lstm" or self.fusion is None:
                # tanh(x) in [-1, 1] as the log-odds of (1 + tanh(x)) / 2.
                return Output(2 * temporal), state
            return Output(self.fusion(spatial, torch.tanh(temporal))), state

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of CNN and fusion, Eq. (4) of the LSTMs unless it is set otherwise, over the known labels.

        The LSTMs may have a loss of changes besides.
        """
        z, y, v = output.au_logit, batch.au_present, batch.au_present_valid
        if y is None or v is None:
            raise ValueError("the batch carries no occurrence labels")
        of_lstm = NETWORKS[int(self.network)] == "lstm"
        if of_lstm and self.config.lstm_loss == "margin":
            found = {"margin": loss.margin_loss(torch.tanh(z / 2), y, v, self.config.margin)}
        else:
            found = {"cross_entropy": loss.cross_entropy(z, y, v)}
        if of_lstm and self.config.change_weight and batch.sequence is not None:
            order = torch.argsort(batch.sequence, stable=True)
            changes = loss.change_loss(z[order], y[order], v[order], batch.sequence[order])
            found["changes"] = self.config.change_weight * changes
        return found

    def stages(self) -> list[Stage]:
        """The CNN on pictures, then the LSTMs and the fusion on its features of whole stretches of clips."""
        c = self.config
        sequences = SequenceSampling(
            c.sequences_per_clip, c.sequence_frames, c.context_frames, c.least_active, c.join == "person"
        )
        common: dict[str, Any] = {"batch_size": c.sequences_per_step, "momentum": c.momentum, "sequences": sequences}
        fitted = 1 - c.fusion_people
        stages = [
            Stage.of(c, name="cnn", parameters=("cnn.",), people=(0, fitted)),
            Stage(
                name="lstm",
                parameters=("lstm.",),
                people=(0, fitted),
                epochs=c.lstm_epochs,
                optimizer=c.lstm_optimizer,
                lr=c.lstm_lr,
                schedule=c.lstm_schedule,
                time_share=0.3,  # features pass quickly
                options={"alpha": c.rmsprop_decay} if c.lstm_optimizer == "rmsprop" else {},
                **common,
            ),
            Stage(
                name="fusion",
                parameters=("fusion.",),
                people=(fitted, 1) if c.fusion_people else (0, 1),
                epochs=c.fusion_epochs,
                optimizer="adam",
                lr=c.fusion_lr,
                time_share=0.1,
                **common,
            ),
        ]
        return stages[self.first_stage : VARIANTS.index(c.variant) + 1]


def _full(x: Tensor) -> Tensor:
    """At least in single precision."""
    return x.float() if x.dtype.itemsize < 4 else x


def _in_sequence(sequence: Tensor | None) -> tuple[Tensor | None, list[int] | None]:
    """Row numbers sequence by sequence (None: as they are), and the length of each (None: one row each)."""
    if sequence is None:
        return None, None
    lengths = torch.unique(sequence, return_counts=True)[1].tolist()
    return torch.argsort(sequence, stable=True), lengths
