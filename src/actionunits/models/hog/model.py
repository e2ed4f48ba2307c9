"""HOG features and one linear support vector machine per action unit: the baseline without learned features.

Baseline "HOG" of Chu, De la Torre & Cohn, "Learning spatial and temporal cues for multi-label facial action unit
detection", FG 2017, Sec. IV-D, and "LSVM" of EAC-Net. The papers do not say how their features were set: those of
Dalal & Triggs (CVPR 2005) are taken, of the whole registered crop.
Deviations: all machines are trained together by the one loop, in batches with Adam, on the objective of a primal
linear SVM with squared hinge; no intensity.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import HasFeatures, Stage
from actionunits.models.hog import loss
from actionunits.models.hog.config import HogConfig
from actionunits.models.hog.features import feature_count, hog


class HogSvm(nn.Module, HasFeatures):
    """Linear machines on HOG features. `au_logit` is the margin: it grows with presence, but is no log-odds."""

    au_outputs: ClassVar[dict[str, int]] = {"svm.": 1}

    def __init__(self, config: HogConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        count = feature_count(config.image_size, config.cell, config.block, config.orientations)
        self.svm = nn.Linear(count, len(aus))
        # The objective is convex: every start leads to the same machine, this one by the shortest way.
        nn.init.zeros_(self.svm.weight)
        nn.init.zeros_(self.svm.bias)

    def features(self, batch: Batch) -> Tensor:
        """HOG of the crops, (B, D)."""
        c = self.config
        # Differences of neighbouring pixels would drown in half precision.
        with torch.autocast(batch.image.device.type, enabled=False):
            return hog(batch.image.to(self.svm.weight.dtype), c.cell, c.block, c.orientations)

    def forward(self, batch: Batch) -> Output:
        """Margin of every AU, (B, A)."""
        features = self.features(batch)
        with torch.autocast(features.device.type, enabled=False):
            return Output(self.svm(features))

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Squared hinge of the known labels, and the penalty of the weights."""
        if batch.au_present is None or batch.au_present_valid is None:
            raise ValueError("the batch carries no occurrence labels")
        hinge = loss.squared_hinge_loss(output.au_logit, batch.au_present, batch.au_present_valid)
        return {"hinge": hinge, "penalty": self.config.weight_decay * loss.weight_penalty(self.svm.weight)}

    def stages(self) -> list[Stage]:
        """All machines at once."""
        # The penalty is a loss here: the optimiser must not decay the weights besides.
        return [Stage.of(self.config, name="svm", parameters=("svm.",), optimizer="adam", weight_decay=0.0)]
