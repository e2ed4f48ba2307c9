"""ResNet-18 detector: occurrence and intensity of all action units in one forward pass.

RE-Net's baseline (Sec. 4.3), with a second head for intensity.
Deviations: crops of 112 pixels by default; all AUs are trained in every batch; intensity is regressed as
5 s(a), s the logistic function, instead of classified; the middle of the crop can be magnified; optional outputs for
left and right; an optional landmark branch; layers of MediaPipe's mesh network beside the ResNet, or alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from actionunits.aus import INTENSITY_MAX
from actionunits.errors import UserError
from actionunits.models.batch import Batch, Output
from actionunits.models.contract import HasFeatures, LendsResNetBody, Rows, Stage, TakesBody, TellsSides
from actionunits.models.layers.blendshapes import BlendshapeNet
from actionunits.models.layers.mesh_body import MeshBody
from actionunits.models.layers.mesh_maps import MeshMaps
from actionunits.models.layers.middle import middle_of
from actionunits.models.layers.resnet import ImageNormalize, ResNet18Body, load_imagenet
from actionunits.models.resnet18 import loss
from actionunits.models.resnet18.config import ResNet18Config
from actionunits.models.resnet18.landmarks import LandmarkNet


@dataclass(frozen=True)
class BranchOutput:
    """What one branch says, or the mean of both: activations a; intensity is 5 s(a), s the logistic function."""

    au_logit: Tensor  # (B, A)
    intensity: Tensor  # (B, A) activation
    sides: Tensor | None  # (B, A, 2) activations of left and right

    @property
    def au_intensity(self) -> Tensor:
        """(B, A), 0-5."""
        return INTENSITY_MAX * torch.sigmoid(self.intensity)

    @property
    def au_sides(self) -> Tensor | None:
        """(B, A, 2), 0-5."""
        return None if self.sides is None else INTENSITY_MAX * torch.sigmoid(self.sides)


@dataclass(frozen=True)
class ResNet18Output(Output):
    """The mean of the branches that ran, and each of them alone."""

    image: BranchOutput | None = None
    landmarks: BranchOutput | None = None


class ImageBranch(nn.Module):
    """Image branch: crop (B, 3, H, W), 0-1, to the activations of all outputs (B, 2 A or 4 A)."""

    def __init__(self, outputs: int, config: ResNet18Config) -> None:
        super().__init__()
        self.magnification, self.middle_size = config.magnification, config.middle_size
        self.normalize = ImageNormalize()
        self.body = ResNet18Body(config.width) if config.width else None
        self.mesh_body = MeshBody() if config.mesh_features else None
        self.maps = MeshMaps(config.mesh_features, config.mesh_dropout) if config.mesh_features else None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(8 * config.width + config.mesh_features, outputs)

    def forward(self, image: Tensor) -> Tensor:
        features = self.dropout(self.features(image))
        # The head is tiny: full precision costs nothing and keeps the logits exact.
        with torch.autocast(image.device.type, enabled=False):
            return self.head(features.to(self.head.weight.dtype))

    def features(self, image: Tensor) -> Tensor:
        """Pooled features of the ResNet and, behind them, those of the mesh network's maps, (B, D)."""
        parts = []
        if self.body is not None:
            parts.append(self.body(self.normalize(middle_of(image, self.magnification, self.middle_size))))
        if self.mesh_body is not None and self.maps is not None:
            parts.append(self.maps(self.mesh_body(image)))
        return torch.cat(parts, 1)


class ResNet18(nn.Module, HasFeatures, TakesBody, LendsResNetBody, TellsSides):
    """ResNet-18 with an occurrence and an intensity head."""

    au_weight: Tensor | None
    landmarks_count: Tensor  # (A,) 1 where the landmarks have a share, 0 for the AUs of image_only

    def __init__(self, config: ResNet18Config, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        blocks = 4 if config.sides else 2
        # Layers with one output row per AU, and how many such blocks of rows they hold: logits, intensities, sides.
        self.au_outputs = {"image.head.": blocks, "landmarks.head.": blocks, "landmarks.direct.": blocks}
        self.image = ImageBranch(blocks * len(aus), config)
        self.landmarks = LandmarkNet(blocks * len(aus), config) if config.landmark_branch else None
        self.blendshapes = BlendshapeNet() if config.landmark_branch and config.landmark_blendshapes else None
        weight = None
        if config.class_weighting == "inverse":
            if len(config.au_rates) != len(aus):
                raise ValueError(f"au_rates has {len(config.au_rates)} values for {len(aus)} action units")
            weight = loss.inverse_rate_weights(torch.tensor(config.au_rates))
        self.register_buffer("au_weight", weight, persistent=False)
        counts = torch.tensor([float(au not in config.image_only) for au in self.aus])
        self.register_buffer("landmarks_count", counts, persistent=False)

    @property
    def landmark_shares(self) -> tuple[Tensor, Tensor]:
        """Shares of the landmark branch in each AU's presence and in its intensity, (A,) each."""
        share, of_intensity = self.config.landmark_weight, self.config.landmark_intensity_weight
        return share * self.landmarks_count, (share if of_intensity is None else of_intensity) * self.landmarks_count

    def tells_sides(self) -> bool:
        """Whether its settings have outputs for left and right."""
        return self.config.sides

    def take_body(self, weights: Mapping[str, Tensor]) -> None:
        """Start the image branch's body from a ResNet-18, its weights named as in torchvision.

        Raises UserError where a weight is missing or of another width, and where the branch has no such body.
        """
        load_imagenet(self._body(), weights)

    def resnet_body(self) -> dict[str, Tensor]:
        """Weights of the image branch's body, named as in torchvision. Raises UserError where it has none."""
        return self._body().state_dict()

    def _body(self) -> ResNet18Body:
        if self.image.body is None:
            raise UserError("with width 0 the model has no ResNet-18, and its weights neither start nor lend one")
        return self.image.body

    def au_rows(self) -> tuple[Rows, Rows]:
        """Of presence, and of intensity."""
        head, count = self.image.head, len(self.aus)
        weight, bias = head.weight.detach().split(count), head.bias.detach().split(count)
        return (weight[0], bias[0]), (weight[1], bias[1])

    def features(self, batch: Batch) -> Tensor:
        """Pooled features of the image branch, which all AUs share, (B, D)."""
        return self.image.features(batch.image)

    def forward(self, batch: Batch) -> ResNet18Output:
        """Presence and intensity of every AU; au_logit and au_intensity average the branches.

        In training, a branch that is in eval mode because the other one's stage is on does not run at all.
        Without a valid mesh, or before the landmark branch has seen its first one, the image alone counts.
        """
        image = landmarks = None
        if self.image.training or not self.training or self.landmarks is None:
            image = self._branch(self.image(batch.image))
        if (
            self.landmarks is not None
            and (self.landmarks.training or not self.training)
            and batch.mesh is not None
            and batch.mesh_valid is not None
        ):
            scores = None if self.blendshapes is None else self.blendshapes(batch.mesh)
            landmarks = self._branch(self.landmarks(batch.mesh, batch.mesh_valid, scores))
        if image is None and landmarks is None:
            raise ValueError("the landmark branch trains on batches with a mesh, and this one has none")
        return self._output(image, landmarks, batch)

    def _output(self, image: BranchOutput | None, landmarks: BranchOutput | None, batch: Batch) -> ResNet18Output:
        """The branch that ran, or the mean of both where the landmarks can be read."""
        if image is None or landmarks is None:
            mean = image or landmarks
            assert mean is not None
        else:
            assert self.landmarks is not None and batch.mesh_valid is not None
            known = (batch.mesh_valid & (self.landmarks.shape.count > 0)).to(image.au_logit.dtype)[:, None]
            share, of_intensity = (shares * known for shares in self.landmark_shares)
            sides = None
            if image.sides is not None and landmarks.sides is not None:
                sides = torch.lerp(image.sides, landmarks.sides, of_intensity[..., None])
            mean = BranchOutput(
                torch.lerp(image.au_logit, landmarks.au_logit, share),
                torch.lerp(image.intensity, landmarks.intensity, of_intensity),
                sides,
            )
        return ResNet18Output(mean.au_logit, mean.au_intensity, image, landmarks, au_sides=mean.au_sides)

    def _branch(self, activation: Tensor) -> BranchOutput:
        # Half precision would round the logits that thresholds and losses need.
        activation = activation if activation.dtype.itemsize >= 4 else activation.float()
        logit, *intensities = activation.chunk(4 if self.config.sides else 2, dim=1)
        return BranchOutput(logit, intensities[0], torch.stack(intensities[1:], -1) if self.config.sides else None)

    def losses(self, output: ResNet18Output, batch: Batch) -> dict[str, Tensor]:
        """Named losses, whose sum is minimised; each branch that ran has its own. Unknown labels have no part."""
        losses: dict[str, Tensor] = {}
        if output.image is not None:
            losses |= self._branch_losses("", output.image, batch, None)
        if output.landmarks is not None:
            losses |= self._branch_losses("landmark_", output.landmarks, batch, batch.mesh_valid)
        return losses

    def _branch_losses(
        self, prefix: str, output: BranchOutput, batch: Batch, seen: Tensor | None
    ) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        if batch.au_present is not None and batch.au_present_valid is not None:
            valid = batch.au_present_valid if seen is None else batch.au_present_valid & seen[:, None]
            losses[prefix + "occurrence"] = loss.occurrence_loss(
                output.au_logit, batch.au_present, valid, self.au_weight
            )
        if batch.au_intensity is not None and batch.au_intensity_valid is not None:
            valid = batch.au_intensity_valid if seen is None else batch.au_intensity_valid & seen[:, None]
            intensity = output.au_intensity
            losses[prefix + "intensity"] = self.config.intensity_weight * loss.intensity_loss(
                intensity, batch.au_intensity, valid, self.au_weight
            )
            if output.au_sides is not None and batch.au_sides is not None:
                losses[prefix + "sides"] = self.config.sides_weight * loss.sides_loss(
                    output.au_sides, batch.au_sides, valid, self.au_weight
                )
            if self.config.ccc_weight > 0:
                losses[prefix + "concordance"] = self.config.ccc_weight * loss.concordance_loss(
                    intensity, batch.au_intensity, valid
                )
        losses |= self._teacher_losses(prefix, output, batch, seen)
        if not losses:
            raise ValueError("the batch carries neither occurrence nor intensity labels")
        return losses

    def _teacher_losses(
        self, prefix: str, output: BranchOutput, batch: Batch, seen: Tensor | None
    ) -> dict[str, Tensor]:
        """Losses against a teacher's outputs, which tell of unknown labels too."""
        weight, said, rated = self.config.teacher_weight, batch.teacher_logit, batch.teacher_intensity
        losses: dict[str, Tensor] = {}
        if said is not None and weight > 0:
            known = said.isfinite() if seen is None else said.isfinite() & seen[:, None]
            losses[prefix + "teacher_occurrence"] = weight * loss.occurrence_loss(
                output.au_logit, torch.sigmoid(said), known, self.au_weight
            )
        if rated is not None and weight > 0:
            known = rated.isfinite() if seen is None else rated.isfinite() & seen[:, None]
            losses[prefix + "teacher_intensity"] = (
                weight
                * self.config.intensity_weight
                * loss.intensity_loss(output.au_intensity, rated, known, self.au_weight)
            )
        return losses

    def stages(self) -> list[Stage]:
        """The image branch first; then, where there is one, the landmark branch alone."""
        c = self.config
        stages = [Stage.of(c, name="image", parameters=("image.",))]
        if c.landmark_branch:
            stages.append(
                Stage.of(
                    c,
                    name="landmarks",
                    parameters=("landmarks.",),
                    epochs=c.landmark_epochs,
                    optimizer="adamw",
                    lr=c.landmark_lr,
                    weight_decay=c.landmark_weight_decay,
                    inputs=("mesh",),
                    time_share=0.1,  # a step costs a hundredth of an image step
                )
            )
        return stages
