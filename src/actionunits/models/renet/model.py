"""RE-Net: one ResNet-18 whose normalisations depend on the action unit that is read.

Yang & Yin, "RE-Net: A Relation Embedded Deep Model for AU Occurrence and Intensity Estimation", ACCV 2020.
Deviations: occurrence and intensity are two outputs of one last layer by default (`tasks`), where the paper trains a
model for each; early stopping (`patience`) keeps the moving average of the weights, not those of the best epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from actionunits.errors import UserError
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import EntersStages, HasFeatures, RelatesAus, Rows, Stage, TakesAuRows, TakesBody
from actionunits.models.layers.middle import middle_of
from actionunits.models.layers.resnet import ImageNormalize
from actionunits.models.renet import loss
from actionunits.models.renet.body import ReNetBody
from actionunits.models.renet.config import ReNetConfig
from actionunits.models.renet.graph import RelationGraph
from actionunits.models.renet.head import OwnHead, SharedHead
from actionunits.models.renet.norm import AuNorms

# Rows, images times AUs, that pass the convolutions at once in inference. It bounds the memory; on a processor, few
# rows also stay in its cache (48 take 10% less time than 200).
ROWS_AT_ONCE = {"cpu": 48}
ROWS_ON_ACCELERATOR = 768
ALL_AUS = "renet_all"  # stage that trains all AUs in every batch


@dataclass(frozen=True)
class ReNetOutput(Output):
    """In training, values of AUs that the step leaves out are NaN."""

    level_logit: Tensor | None = None  # (B, A, 6) before the softmax over intensity levels
    rows: tuple[int, ...] = ()  # numbers of the AUs that ran

    @property
    def au_level(self) -> Tensor | None:
        """(B, A) int64: the most probable level, 0-5."""
        return None if self.level_logit is None else self.level_logit.argmax(-1)


class ReNet(nn.Module, HasFeatures, EntersStages, TakesBody, TakesAuRows, RelatesAus):
    """Shared convolutions; scale, bias and statistics of every normalisation, and the last layer's row, per AU."""

    # Tables with one row per AU.
    au_outputs: ClassVar[dict[str, int]] = {"norms.": 1, "own_head.": 1}

    def __init__(self, config: ReNetConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        self._all_aus = config.aus_per_step == "all"
        self.normalize = ImageNormalize()
        self.graph = RelationGraph(self.aus, config.variant, config.relation_sum, config.relations, config.unseen_aus)
        self.body = ReNetBody(config.width)
        self.norms = AuNorms(len(aus), self.body.norm_channels, config.norm_momentum)
        outputs = {"occurrence": 1, "intensity": loss.LEVELS, "both": 1 + loss.LEVELS}[config.tasks]
        # Named apart: the rows of the one belong to the AUs (`au_outputs`), the other has a single one.
        self.own_head = OwnHead(len(aus), self.body.features, outputs) if config.head == "own" else None
        self.shared_head = SharedHead(self.body.features, outputs) if config.head == "shared" else None

    @torch.no_grad()
    def take_body(self, weights: Mapping[str, Tensor]) -> None:
        """Start from a ResNet-18, its weights named as in torchvision: every AU gets its scales, biases, statistics.

        Raises UserError where a weight is missing or of another width.
        """
        for name, own in self.body.torchvision_names(self.norms.columns).items():
            if isinstance(own, nn.Conv2d):
                targets = {f"{name}.weight": own.weight}
            else:
                n = self.norms
                tables = {
                    "weight": n.scale,
                    "bias": n.bias,
                    "running_mean": n.running_mean,
                    "running_var": n.running_var,
                }
                targets = {f"{name}.{part}": table[:, own] for part, table in tables.items()}
            for key, target in targets.items():
                if key not in weights or weights[key].shape != target.shape[-weights[key].ndim :]:
                    raise UserError(f"{key} of the ResNet-18 is missing or of another width; use the same width")
                target.copy_(weights[key])

    def take_au_rows(self, aus: tuple[int, ...], presence: Rows, intensity: Rows) -> None:
        """Answer as a ResNet-18 whose body it has taken does (Sec. 4.6); a shared last layer cannot."""
        for row, au in enumerate(self.aus):
            if self.own_head is not None and au in aus:
                its = aus.index(au)
                chosen = [(weight[its], bias[its]) for weight, bias in (presence, intensity)]
                self.own_head.start(row, chosen[0], chosen[1], self.config.tasks)

    def au_pairs(self) -> tuple[str, ...]:
        """The learned relations."""
        return ("graph.weights",)

    def features(self, batch: Batch) -> Tensor:
        """Pooled features of every AU as inference sees them, (B, A, D)."""
        image = self._seen(batch)
        norm, count = self.norms.folded(self.graph), len(self.aus)
        at_once = max(1, ROWS_AT_ONCE.get(image.device.type, ROWS_ON_ACCELERATOR) // count)
        # A graph has no loop over its batch.
        pieces = (image,) if torch.compiler.is_compiling() else image.split(at_once)
        parts = [self.body(part, norm) for part in pieces]
        return torch.cat([part.view(count, -1, part.shape[1]).transpose(0, 1) for part in parts])

    def forward(self, batch: Batch) -> ReNetOutput:
        """Presence and intensity of every AU; in training, of one AU at random or of all (`aus_per_step`)."""
        if not self.training:
            return self._read(self.features(batch), tuple(range(len(self.aus))))
        rows = self.graph.rows
        if not self._all_aus:
            # From the generator that the loop seeds for every step, so that a resumed run draws the same AU.
            rows = (rows[int(torch.randint(len(rows), ()))],)
        features = self.body(self._seen(batch), self.norms.trained(self.graph, rows))
        return self._read(features.view(len(rows), -1, features.shape[1]).transpose(0, 1), rows)

    def _seen(self, batch: Batch) -> Tensor:
        """What the convolutions see."""
        return self.normalize(middle_of(batch.image, self.config.magnification, self.config.middle_size))

    @property
    def head(self) -> OwnHead | SharedHead:
        """The last layer."""
        head = self.own_head or self.shared_head
        assert head is not None
        return head

    def _read(self, features: Tensor, rows: tuple[int, ...]) -> ReNetOutput:
        """The last layer on features (B, R, D) of the AUs `rows`."""
        # The head is tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(features.device.type, enabled=False):
            read = self.head(features.to(self.head.weight.dtype), self.graph, rows)
        if len(rows) < len(self.aus):
            every = read.new_full((len(read), len(self.aus), read.shape[2]), torch.nan)
            every[:, list(rows)] = read
            read = every
        tasks = self.config.tasks
        levels = None if tasks == "occurrence" else read[..., -loss.LEVELS :]
        logit = read[..., 0] if tasks != "intensity" else loss.logit_of_levels(read)
        return ReNetOutput(logit, None if levels is None else loss.expected_level(levels), levels, rows)

    def losses(self, output: ReNetOutput, batch: Batch) -> dict[str, Tensor]:
        """Named losses over the AUs that ran. Unknown labels have no part."""
        rows, tasks = list(output.rows), self.config.tasks
        seen = [row for row in rows if row in self.graph.rows]
        losses: dict[str, Tensor] = {}
        if tasks != "intensity" and batch.au_present is not None and batch.au_present_valid is not None:
            losses["occurrence"] = loss.occurrence_loss(
                output.au_logit[:, seen], batch.au_present[:, seen], batch.au_present_valid[:, seen]
            )
        levels = output.level_logit
        if levels is not None and batch.au_intensity is not None and batch.au_intensity_valid is not None:
            losses["intensity"] = self.config.intensity_weight * loss.intensity_loss(
                levels[:, seen], batch.au_intensity[:, seen], batch.au_intensity_valid[:, seen]
            )
        if not losses:
            raise ValueError(f"the batch carries no labels for tasks '{tasks}'")
        return losses

    def stages(self) -> list[Stage]:
        """Everything at once; the last part may train all AUs in every batch (`all_aus_share`)."""
        c = self.config
        prefixes = ("body.", "own_head.", "shared_head.") if c.variant == "plain" else ("",)
        factors = (("norms.", c.norm_lr_factor),)
        undecayed = ("norms.", "graph.", "own_head.bias")
        whole = Stage.of(c, name="renet", parameters=prefixes, lr_factors=factors, undecayed=undecayed)
        last = round(c.all_aus_share * c.epochs)
        if not last:
            return [whole]
        return [
            replace(whole, epochs=c.epochs - last, time_share=1 - c.all_aus_share),
            replace(whole, name=ALL_AUS, epochs=last, time_share=c.all_aus_share),
        ]

    def enter_stage(self, stage: Stage) -> None:
        """The last part trains all AUs in every batch."""
        self._all_aus = self.config.aus_per_step == "all" or stage.name == ALL_AUS
