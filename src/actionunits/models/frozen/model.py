"""A frozen ResNet-18 or VGG-19 with TCAE's linear probe: the descriptor rows of its tables, for weights of one's own.

Li, Zeng, Shan & Chen, CVPR 2019, Sec. 4.1 and 4.2, which reads descriptors of faces and of emotions so.
Deviations: their networks are not public; any weights with the names of torchvision can be given instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import Stage, TakesBody, TransfersByProbe
from actionunits.models.frozen.config import FrozenConfig
from actionunits.models.layers.middle import middle_of
from actionunits.models.layers.probe import Probe
from actionunits.models.layers.resnet import ImageNormalize, ResNet18Body, load_imagenet
from actionunits.models.layers.vgg import Vgg19Body


class Frozen(nn.Module, TakesBody, TransfersByProbe):
    """A network that stays as it is, and the probe that reads it. No intensity."""

    au_outputs: ClassVar[dict[str, int]] = {"probe.weight": 1, "probe.intercept": 1}

    def __init__(self, config: FrozenConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        self.normalize = ImageNormalize()
        if config.network == "resnet18":
            self.body: ResNet18Body | Vgg19Body = ResNet18Body(config.width)
            features = self.body.features
        else:
            self.body = Vgg19Body(config.width)
            features = self.body.outputs
        assert isinstance(features, int)
        self.probe = Probe(features, len(aus), config.au_rates)

    def take_body(self, weights: Mapping[str, Tensor]) -> None:
        """Take the network's weights, named as in torchvision. Raises UserError where they do not fit."""
        load_imagenet(self.body, weights)

    def features(self, batch: Batch) -> Tensor:
        """What the probe reads, (B, D)."""
        return self.body(self.normalize(middle_of(batch.image, self.config.magnification)))

    def probe_layers(self) -> tuple[nn.BatchNorm1d, nn.Parameter, nn.Parameter]:
        """What the probe consists of."""
        return self.probe.norm, self.probe.weight, self.probe.intercept

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, (B, A)."""
        return Output(self.probe(self.features(batch)))

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """What labels teach the probe."""
        return self.probe.losses(output.au_logit, batch)

    def stages(self) -> list[Stage]:
        """The probe alone."""
        return [Stage.of(self.config, name="probe", parameters=("probe.",), optimizer="adam")]
