"""OF-Net and AU-Net: the motion from a face to its neutral anchor, hidden between two networks.

Yang & Yin, "Learning Temporal Information From A Single Image For AU Detection", FG 2019.
Deviations: those of `flow`, `au_net`, `two_frame` and `loss`; OF-Net may read layers of MediaPipe's mesh network,
which stay as they are; trained separately, AU-Net reads the flows of a frozen OF-Net rather than stored ones, so that
its crops vary too.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from actionunits.errors import UserError
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import ChoosesInputs, EstimatesFlow, GoesOnFrom, HasFeatures, Stage
from actionunits.models.layers.mesh_body import MeshBody
from actionunits.models.ofnet import loss
from actionunits.models.ofnet.au_net import AuNet
from actionunits.models.ofnet.config import OfNetConfig
from actionunits.models.ofnet.flow import OpticalFlowNet
from actionunits.models.ofnet.two_frame import two_frame_flow

OF_NET, AU_NET = ("of_net.",), ("au_net.",)  # whose parameters a stage trains
BOTH = OF_NET + AU_NET


class OfNet(nn.Module, HasFeatures, ChoosesInputs, EstimatesFlow, GoesOnFrom):
    """Both networks; with a variant of TWO_FRAME_FLOWS, AU-Net behind a flow that comes with the batch."""

    au_outputs: ClassVar[dict[str, int]] = {"au_net.output.": 1}

    def __init__(self, config: OfNetConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        self.warmup_epochs = config.warmup_epochs
        estimates, mesh = config.two_frame_flow is None, config.encoder == "mesh"
        self.mesh = MeshBody().requires_grad_(False) if estimates and mesh else None
        self.of_net = OpticalFlowNet(config.width, mesh) if estimates else None
        self.au_net = AuNet(config.width, len(aus))

    def prediction_inputs(self) -> tuple[str, ...]:
        """What a prediction reads."""
        return ("image",) if self.of_net is not None else ("flow",)

    def flow(self, batch: Batch) -> Tensor:
        """Motion from the image to the anchor, (B, 2, H, W) float32 in pixels, right and down."""
        if self.of_net is not None:
            maps = () if self.mesh is None else self.mesh(batch.image)
            return self.of_net(batch.image, maps).float()
        if batch.flow is not None:
            return batch.flow
        return two_frame_flow(self.config.variant, batch.image, self._anchor(batch))

    def features(self, batch: Batch) -> Tensor:
        """What the last layer reads, (B, 8 width)."""
        return self.au_net.features(self.flow(batch))

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, (B, A), and the flow that it is read from."""
        flow = self.flow(batch)
        return Output(self.au_net(self.au_net.features(flow)), flow=flow)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """The terms of Eq. (6), weighed: those of the flow where OF-Net trains, that of AUs where AU-Net does."""
        found: dict[str, Tensor] = {}
        if self.of_net is not None and _trains(self.of_net):
            found |= self._flow_losses(output, batch)
        if _trains(self.au_net):
            if batch.au_present is None or batch.au_present_valid is None:
                raise ValueError("the batch carries no occurrence labels")
            au_loss = loss.au_loss(output.au_logit, batch.au_present, batch.au_present_valid)
            found["occurrence"] = self.config.au_weight * au_loss
        return found

    def _flow_losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        config, found = self.config, {}
        flow = output.flow
        assert flow is not None
        # Half precision would round the places that the warp samples, and the variances of SSIM.
        with torch.autocast(flow.device.type, enabled=False):
            if config.learns_motion:
                image = batch.image.float()
                warped, inside = loss.warp(self._anchor(batch).float(), flow)
                if config.pixel_weight:
                    penalty = config.pixel_alpha, config.epsilon, config.pixel_scale
                    pixel = loss.pixel_loss(image, warped, inside, *penalty)
                    found["pixel"] = config.pixel_weight * pixel
                if config.dssim_weight:
                    dssim = loss.dssim_loss(image, warped, inside, config.ssim_window)
                    found["dssim"] = config.dssim_weight * dssim
            if config.smooth_weight:
                smooth = loss.smooth_loss(flow, config.smooth_alpha, config.epsilon)
                found["smooth"] = config.smooth_weight * smooth
        return found

    def _anchor(self, batch: Batch) -> Tensor:
        """The anchors of a batch. Raises UserError where there are none, or of another size."""
        if batch.anchor is None:
            raise UserError("flow between two frames needs an anchor: a neutral frame of the same person's sequence")
        if batch.anchor.shape != batch.image.shape:
            anchor, image = ("x".join(map(str, t.shape[:0:-1])) for t in (batch.anchor, batch.image))
            raise UserError(f"anchors are {anchor}, images {image} (width x height x colours); register both alike")
        return batch.anchor

    def stages(self) -> list[Stage]:
        """Jointly: OF-Net alone for some epochs, then both. Separately: OF-Net, then AU-Net (Sec. III-C, IV-A)."""
        config = self.config
        if self.of_net is None:
            return [self._stage("au", AU_NET, config.epochs, self.prediction_inputs())]
        if config.variant == "separate":
            return [
                self._stage("flow", OF_NET, config.epochs, ("image", "anchor")),
                self._stage("au", AU_NET, config.epochs, ("image",)),
            ]
        if not config.learns_motion:
            return [self._stage("joint", BOTH, config.epochs, ("image",))]
        both = self._stage("joint", BOTH, config.epochs - self.warmup_epochs, ("image", "anchor"))
        if not self.warmup_epochs:
            return [both]
        return [self._stage("flow", OF_NET, self.warmup_epochs, ("image", "anchor")), both]

    def go_on_from(self, source: OfNet) -> tuple[str, ...]:
        """Leave the warm-up out, which an OF-Net of random weights needs; `source` lacks nothing."""
        self.warmup_epochs = 0
        return ()

    def _stage(self, name: str, trained: tuple[str, ...], epochs: int, inputs: tuple[str, ...]) -> Stage:
        return Stage.of(
            self.config, name=name, parameters=trained, epochs=epochs, inputs=inputs, time_share=float(epochs)
        )


def _trains(network: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in network.parameters())
