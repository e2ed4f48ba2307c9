"""TCAE: a face is turned into another frame of the same person by an AU movement and a head movement.

Li, Zeng, Shan & Chen, "Self-supervised Representation Learning from Videos for Facial Action Unit Detection", CVPR
2019. Variant `fabnet`: Wiles, Koepke & Zisserman, "Self-supervised learning of a facial attribute embedding from
video", BMVC 2018, with TCAE's encoder. What the text leaves open follows the released code.
Deviations: pictures of other sizes than 256 have fewer or more blocks; crops are registered faces; the two frames of
a pair are cut out and changed alike; those of `displacement`; Fab-Net has one source frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from actionunits.models.batch import Batch, Output
from actionunits.models.contract import EntersStages, Stage, TransfersByProbe
from actionunits.models.layers.probe import Probe, probe_stage
from actionunits.models.tcae import loss
from actionunits.models.tcae.config import TcaeConfig
from actionunits.models.tcae.curriculum import pair_weight
from actionunits.models.tcae.decoder import Decoder, Movement
from actionunits.models.tcae.displacement import added, integrate, warp
from actionunits.models.tcae.encoder import Embeddings, Encoder, stacked

POSE_FIRST, AU_FIRST = "pose movement alone", "AU movement alone"  # stages before the curriculum
LEAST_LR_SHARE = 1e-3  # where the rate stops falling; the paper does not tell


@dataclass(frozen=True)
class Cycles:
    """The way back from the generated faces that differ from the source in one respect (Sec. 3.3)."""

    au_returned: Tensor  # T^-A(T^A(I_s)), (B, 3, H, W)
    pose_returned: Tensor  # T^-p(T^p(I_s))
    of_au_changed: Embeddings
    of_pose_changed: Embeddings


@dataclass(frozen=True)
class Pair:
    """What is made of a source and a target frame."""

    source: Embeddings
    target: Embeddings
    au: Movement  # T^A; Fab-Net's whole movement, and the one that is learned alone
    reconstruction: Tensor  # T(I_s), (B, 3, H, W): the source turned into the target
    # None in Fab-Net, and while one movement is learned alone:
    pose: Movement | None = None  # T^p
    mask: Tensor | None = None  # a^A, (B, H, W): share of the AU movement in T
    au_changed: Tensor | None = None  # T^A(I_s), (B, 3, H, W)
    pose_changed: Tensor | None = None  # T^p(I_s)
    cycles: Cycles | None = None


@dataclass(frozen=True)
class TcaeOutput(Output):
    """Logits of the probe for the source; what a batch with target frames gives besides."""

    pair: Pair | None = None


class Tcae(nn.Module, EntersStages, TransfersByProbe):
    """Encoder, a decoder for each kind of movement, and the probe that reads the AU vector."""

    au_outputs: ClassVar[dict[str, int]] = {"probe.weight": 1, "probe.intercept": 1}

    def __init__(self, config: TcaeConfig, aus: tuple[int, ...]) -> None:
        super().__init__()
        self.config = config
        self.aus = tuple(aus)
        c = config
        pose = c.variant == "tcae"
        self.encoder = Encoder(c.image_size, c.width, c.embedding, pose, c.shared == "mesh")
        self.au_decoder = Decoder(c.image_size, c.width, c.embedding, c.au_cells or c.image_size)
        self.pose_decoder = (
            Decoder(c.image_size, c.width, c.embedding, c.pose_cells or c.image_size) if pose else None
        )
        self.probe = Probe(c.embedding, len(aus), c.au_rates)
        with torch.no_grad():
            for decoder in (self.au_decoder, self.pose_decoder):
                if decoder is not None:
                    decoder.start(c.start_scale, c.start_with_difference)
        # Of the current stage: which movement is learned alone, or where its part of the curriculum begins.
        self.alone: str | None = None
        self.first_rank = 0.0

    def enter_stage(self, stage: Stage) -> None:
        """Learn what a stage is for: one movement, or both from the pairs of its part of the curriculum."""
        self.alone = stage.name if stage.name in (POSE_FIRST, AU_FIRST) else None
        self.first_rank = self._parts().get(stage.name, 0.0)

    def features(self, batch: Batch) -> Tensor:
        """The AU vectors, (B, D)."""
        return self.encoder(batch.image).au

    def probe_layers(self) -> tuple[nn.BatchNorm1d, nn.Parameter, nn.Parameter]:
        """What the probe consists of: the paper's way to labelled data, Sec. 4.1."""
        return self.probe.norm, self.probe.weight, self.probe.intercept

    def forward(self, batch: Batch) -> TcaeOutput:
        """Presence of every AU in the image; with target frames also what turns the one into the other."""
        if batch.target is None:
            return TcaeOutput(self.probe(self.features(batch)))
        pair = self.pair(batch.image, batch.target)
        return TcaeOutput(self.probe(pair.source.au), pair=pair)

    def pair(self, source: Tensor, target: Tensor) -> Pair:
        """Movements from source to target frames, (B, 3, H, W) each, and the faces they generate."""
        count = len(source)
        if self.pose_decoder is not None and self.encoder.pose is not None:
            # What is added to the AU movement alone stays as it was learned, its normalisations too.
            learns = self.training and self.alone != AU_FIRST
            self.encoder.pose.train(learns)
            self.pose_decoder.train(learns)
        both = self.encoder(stacked(source, target))
        s, t = both.rows(slice(count)), both.rows(slice(count, None))
        if self.training and self.alone is not None:
            return self._one_movement(s, t, source)
        au = self.au_decoder(s.au, t.au)
        if self.pose_decoder is None:
            return Pair(s, t, au, warp(source, au.displacement))
        pose = self.pose_decoder(s.pose, t.pose)
        displacement, mask = integrate(au, pose)
        au_changed, pose_changed = warp(source, au.displacement), warp(source, pose.displacement)
        cycles = self._cycles(s, au_changed, pose_changed)
        return Pair(s, t, au, warp(source, displacement), pose, mask, au_changed, pose_changed, cycles)

    def _one_movement(self, s: Embeddings, t: Embeddings, source: Tensor) -> Pair:
        """What the movement that is learned alone makes of the source."""
        if self.alone == POSE_FIRST:
            assert self.pose_decoder is not None
            pose = self.pose_decoder(s.pose, t.pose)
            return Pair(s, t, pose, warp(source, pose.displacement))
        au = self.au_decoder(s.au, t.au)
        whole = au.displacement
        if self.pose_decoder is not None and self.config.pose_first_share:
            whole = added(au, self.pose_decoder(s.pose, t.pose))
        return Pair(s, t, au, warp(source, whole))

    def _cycles(self, s: Embeddings, au_changed: Tensor, pose_changed: Tensor) -> Cycles:
        assert self.pose_decoder is not None
        changed = self.encoder(stacked(au_changed, pose_changed))
        of_au, of_pose = changed.rows(slice(len(s.au))), changed.rows(slice(len(s.au), None))
        return Cycles(
            warp(au_changed, self.au_decoder(of_au.au, s.au).displacement),
            warp(pose_changed, self.pose_decoder(of_pose.pose, s.pose).displacement),
            of_au,
            of_pose,
        )

    def losses(self, output: TcaeOutput, batch: Batch) -> dict[str, Tensor]:
        """Of a batch with target frames, what these teach encoder and decoders; else what labels teach the probe.

        While training, the mean runs over the pairs of the current part of the curriculum, otherwise over all.
        """
        if output.pair is not None:
            each = self._pair_losses(output.pair, batch)
            total = torch.stack(list(each.values())).sum(0)
            if self.training and self.alone is None:
                weight = pair_weight(total, self.first_rank, self.config.curriculum_share)
            else:
                weight = torch.full_like(total, 1 / len(total))
            return {name: (weight * value).sum() for name, value in each.items()}
        return self.probe.losses(output.au_logit, batch)

    def _pair_losses(self, pair: Pair, batch: Batch) -> dict[str, Tensor]:
        """The terms of the full loss for every pair, (B,) each. Sec. 4.1."""
        c = self.config
        target = batch.target
        assert target is not None
        values = batch.image[0].numel()

        def reconstruction(generated: Tensor, rows: slice = slice(None)) -> Tensor:
            return loss.reconstruction_loss(generated, target[rows]) / values

        terms = {"reconstruction": reconstruction(pair.reconstruction)}
        if pair.au_changed is None or pair.pose is None or pair.pose_changed is None or pair.cycles is None:
            return terms
        if self.training and c.alone_weight:
            count = round(c.face_pairs * len(target))
            turned = count + round(c.head_pairs * len(target)) if c.head_pairs else len(target)
            faces, heads = slice(count), slice(count, turned)
            by_au = pair.au_changed[faces]
            if c.pose_first_share:
                by_au = warp(batch.image[faces], added(pair.au, pair.pose)[faces])
            alone = torch.zeros_like(terms["reconstruction"])
            alone[faces] = reconstruction(by_au, faces)
            alone[heads] = reconstruction(pair.pose_changed[heads], heads)
            terms["alone"] = c.alone_weight * alone
        cycles, s, t = pair.cycles, pair.source, pair.target
        of_au, of_pose = cycles.of_au_changed, cycles.of_pose_changed
        assert of_au.pose is not None and of_pose.pose is not None and s.pose is not None and t.pose is not None
        weight = c.embedding_weight / c.embedding
        offsets = pair.au.displacement[0].numel()
        return terms | {
            "au_sparsity": c.sparsity_weight / offsets * loss.sparsity_loss(pair.au.displacement),
            "au_cycle": c.cycle_weight / values * loss.cycle_loss(cycles.au_returned, batch.image),
            "pose_cycle": c.cycle_weight / values * loss.cycle_loss(cycles.pose_returned, batch.image),
            "au_embedding": weight * loss.embedding_loss(of_au.pose, s.pose, of_au.au, t.au),
            "pose_embedding": weight * loss.embedding_loss(of_pose.au, s.au, of_pose.pose, t.pose),
        }

    def _parts(self) -> dict[str, float]:
        """Stages on pairs, by name: the fraction of the ranks at which each part of the curriculum begins."""
        share = self.config.curriculum_share
        return {f"pairs {100 * first:.0f}-{100 * (first + share):.0f}%": first for first in self.config.curriculum}

    def stages(self) -> list[Stage]:
        """Each movement alone, where settings say so; the parts of the curriculum; with labels, the probe."""
        c = self.config
        body = ("encoder.shared.",) if c.shared == "convolutions" else ()
        of_au, of_pose = ("encoder.au.", "au_decoder."), ("encoder.pose.", "pose_decoder.")
        first = {AU_FIRST: (c.au_first_share, of_au)}
        if c.variant == "tcae":
            first = {POSE_FIRST: (c.pose_first_share, of_pose)} | first
        parts = self._parts()
        rest = (1 - sum(share for share, _ in first.values())) / len(parts)
        planned = first | dict.fromkeys(parts, (rest, (*of_au, *of_pose)))
        ends = [round(c.epochs * end) for end in (0, *accumulate(share for share, _ in planned.values()))]
        stages = [
            Stage.of(
                c,
                name=name,
                parameters=(*body, *learns),
                epochs=end - start,
                schedule="constant" if c.schedule == "plateau" and end < c.epochs else c.schedule,
                patience=c.patience if end < c.epochs else 0,
                least_lr_share=LEAST_LR_SHARE,
                takes_unused=start > 0,
                inputs=("image", "target"),
                face_pairs={POSE_FIRST: 0.0, AU_FIRST: 1.0}.get(name, c.face_pairs),
                head_pairs={POSE_FIRST: 1.0, AU_FIRST: 0.0}.get(name, c.head_pairs),
                time_share=share,
            )
            for (name, (share, learns)), (start, end) in zip(planned.items(), pairwise(ends), strict=True)
            if end > start
        ]
        if not self.aus:
            return stages
        return [*stages, probe_stage(c)]
