"""Checks that hold a model to the contract of `models/contract.py`, for models of this package and of others.

    from actionunits.testing import check_model

    def test_my_model():
        check_model("my_model", small_config={"image_size": 64, "width": 8})

Each check raises AssertionError with a line that says what is wrong. They run on the CPU; give a configuration that
is small enough for that, and without dropout, which would keep eight samples from being learned by heart.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from actionunits.aus import INTENSITY_MAX
from actionunits.faces.mean_face import template_landmarks
from actionunits.models.batch import Batch
from actionunits.models.contract import ABILITIES, LearnsFromSequences, ModelEntry, TrainsMoreThanItReads
from actionunits.models.registry import find_model, register_model, unregister_model
from actionunits.training.checkpoint import load_checkpoint, save_checkpoint
from actionunits.training.optim import make_optimizer, set_trainable
from actionunits.training.start import start_from
from actionunits.types import MESH_POINTS

AUS = (1, 4, 12, 25)
OTHER_AUS = (25, 6, 1, 4)  # AU06 is new
UNNAMED = "model_under_test"  # key of an entry that has none
BY_HEART_STEPS = 150
BY_HEART_LOSS = 0.3  # of the first loss


@dataclass(frozen=True)
class ModelUnderTest:
    """A model, and how it is made small."""

    entry: ModelEntry
    small_config: Mapping[str, Any] = field(default_factory=dict)
    by_heart_lr: float = 3e-3  # Adam's, with which eight samples are learned by heart
    mixing_stages: tuple[str, ...] = ()  # stages after which each output depends on all AUs, those that are new too

    @property
    def config(self) -> Any:
        """The small configuration."""
        return self.entry.config(**self.small_config)

    def build(self, aus: tuple[int, ...] = AUS) -> Any:
        """The model, always with the same weights."""
        torch.manual_seed(0)
        return self.entry.model(self.config, aus)

    def batch(self, rows: int = 8, inputs: tuple[str, ...] = ()) -> Batch:
        """`random_batch` in the model's size."""
        return random_batch(rows, self.config.image_size, inputs=inputs)


def check_model(
    model: str | ModelEntry,
    small_config: Mapping[str, Any] | None = None,
    by_heart_lr: float = 3e-3,
    mixing_stages: tuple[str, ...] = (),
) -> None:
    """Run all of CHECKS on a model, given by its key or as an entry. The last three are fields of ModelUnderTest.

    Raises AssertionError where the model breaks the contract, and UserError for an unknown key.
    """
    entry = find_model(model) if isinstance(model, str) else model
    if not isinstance(model, str):
        register_model(UNNAMED, entry)
    try:
        for check in CHECKS:
            check(ModelUnderTest(entry, small_config or {}, by_heart_lr, mixing_stages))
    finally:
        if not isinstance(model, str):
            unregister_model(UNNAMED)


def random_batch(rows: int = 8, size: int = 64, seed: int = 0, inputs: tuple[str, ...] = ()) -> Batch:
    """Random images, anchors, labels of AUS, meshes and landmarks; the last row has no mesh, some labels are unknown.

    inputs: of a stage; target frames are there for a stage that reads them. Of models that follow time, every four
    rows are a clip.
    """
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    intensity = rand(rows, len(AUS)) * INTENSITY_MAX * (rand(rows, len(AUS)) < 0.5)
    face = rand(1, MESH_POINTS, 3)
    mesh_valid = torch.ones(rows, dtype=torch.bool)
    if rows > 1:
        mesh_valid[-1] = False
    return Batch(
        image=rand(rows, 3, size, size),
        au_present=(intensity >= 1).float(),
        au_present_valid=rand(rows, len(AUS)) < 0.9,
        au_intensity=intensity,
        au_intensity_valid=rand(rows, len(AUS)) < 0.9,
        mesh=face + 0.02 * rand(rows, MESH_POINTS, 3),
        mesh_valid=mesh_valid,
        landmarks=torch.from_numpy(template_landmarks()) + 0.02 * rand(rows, 68, 2),
        anchor=rand(rows, 3, size, size),
        target=rand(rows, 3, size, size) if "target" in inputs else None,
        sequence=torch.arange(rows) // 4,
    )


def check_config(m: ModelUnderTest) -> None:
    """The config is a frozen dataclass with defaults and an image size."""
    kind = m.entry.config
    _expect(dataclasses.is_dataclass(kind), f"{kind.__name__} is no dataclass")
    try:
        config = kind()
    except TypeError as error:
        raise AssertionError(f"every field of {kind.__name__} needs a default: {error}") from error
    name = dataclasses.fields(kind)[0].name
    try:
        setattr(config, name, None)
    except dataclasses.FrozenInstanceError:
        pass
    else:
        raise AssertionError(f"{kind.__name__} is not frozen")
    _expect(config.image_size > 0, f"image_size is {config.image_size}; it must be above 0")


def check_parts(m: ModelUnderTest) -> None:
    """The model has the attributes of `Model`; abilities are methods, and a stage has the one that it needs."""
    model = m.build()
    _expect(model.aus == AUS, f"aus is {model.aus} of a model that was made for {AUS}")
    _expect(model.config == m.config, "config is not the one that the model was made from")
    outputs = 0
    for prefix, blocks in model.au_outputs.items():
        for name, value in model.state_dict().items():
            if name.startswith(prefix):
                outputs += 1
                wanted = blocks * len(AUS)
                _expect(len(value) == wanted, f"{name} has {len(value)} rows; {blocks} x {len(AUS)} AUs are {wanted}")
    _expect(outputs > 0, f"no weight has a name that begins as au_outputs says: {', '.join(model.au_outputs)}")
    for ability in ABILITIES:
        own = issubclass(type(model), ability)
        _expect(
            own or not isinstance(model, ability),
            f"an attribute of the model has a name of {ability.__name__} and is no method; name it otherwise",
        )
    for stage in model.stages():
        _expect(
            stage.sequences is None or isinstance(model, LearnsFromSequences),
            f"stage '{stage.name}' has sequences, and the model is no LearnsFromSequences",
        )


def check_output(m: ModelUnderTest) -> None:
    """One finite logit and one intensity from 0 to 5, if any, per row and AU; a batch of one works."""
    for rows in (1, 3):
        output = m.build().eval()(m.batch(rows))
        _expect(output.au_logit.shape == (rows, len(AUS)), f"au_logit of {rows} rows: {tuple(output.au_logit.shape)}")
        _expect(bool(torch.isfinite(output.au_logit).all()), "au_logit is not finite")
        if output.au_intensity is not None:
            shape = tuple(output.au_intensity.shape)
            _expect(shape == (rows, len(AUS)), f"au_intensity of {rows} rows has the shape {shape}")
            inside = (output.au_intensity >= 0) & (output.au_intensity <= INTENSITY_MAX)
            _expect(bool(inside.all()), "au_intensity leaves 0-5")


def check_images_are_enough(m: ModelUnderTest) -> None:
    """A batch of images alone can be predicted."""
    output = m.build().eval()(Batch(image=m.batch().image))
    _expect(output.au_logit.shape == (8, len(AUS)), f"au_logit of images alone: {tuple(output.au_logit.shape)}")


def check_losses(m: ModelUnderTest) -> None:
    """Losses are finite scalars with names."""
    model, batch = m.build().train(), m.batch()
    losses = model.losses(model(batch), batch)
    _expect(bool(losses), "losses() gives none")
    for name, value in losses.items():
        _expect(name.isidentifier(), f"the loss '{name}' needs the name of a variable")
        _expect(value.shape == () and bool(torch.isfinite(value)), f"the loss '{name}' is no finite scalar: {value}")


def check_gradients(m: ModelUnderTest) -> None:
    """Stages have names of their own; each gives gradients to its parameters and to no others."""
    model = m.build()
    names = [stage.name for stage in model.stages()]
    _expect(len(set(names)) == len(names), f"two stages have one name: {names}")
    for stage in model.stages():
        trained = {name for name, _ in set_trainable(model, stage)}
        model.zero_grad(set_to_none=True)
        _total(model, m.batch(inputs=stage.inputs)).backward()  # type: ignore[no-untyped-call]
        for name, parameter in model.named_parameters():
            moved = parameter.grad is not None and bool((parameter.grad != 0).any())
            told = "gets no gradient" if name in trained else "is not its own and gets a gradient"
            _expect(moved == (name in trained), f"stage '{stage.name}': {name} {told}")


def check_stages_leave_the_rest(m: ModelUnderTest) -> None:
    """A step of a stage changes no weight and no buffer outside its parameters."""
    model = m.build()
    for stage in model.stages():
        optimizer = make_optimizer(set_trainable(model, stage), stage, fused=True)
        before = copy.deepcopy(model.state_dict())
        _total(model, m.batch(inputs=stage.inputs)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        for name, value in model.state_dict().items():
            same = name.startswith(stage.parameters) or torch.equal(value, before[name])
            _expect(same, f"stage '{stage.name}' changes {name}")


def check_unknown_labels(m: ModelUnderTest) -> None:
    """Values of labels and meshes that are not valid have no part in losses or gradients."""
    batch = m.batch()
    assert batch.au_present is not None and batch.au_present_valid is not None
    assert batch.au_intensity is not None and batch.au_intensity_valid is not None
    assert batch.mesh is not None and batch.mesh_valid is not None
    # NaN finds a mask that is multiplied with the losses, the opposite label one that is not there.
    spoilt = [
        dataclasses.replace(
            batch,
            au_present=torch.where(batch.au_present_valid, batch.au_present, label),
            au_intensity=torch.where(batch.au_intensity_valid, batch.au_intensity, 1e6),
            mesh=torch.where(batch.mesh_valid[:, None, None], batch.mesh, torch.nan),
        )
        for label in (torch.tensor(torch.nan), 1 - batch.au_present)
    ]
    loss, gradients = _loss_and_gradients(m, batch)
    _expect(bool(gradients), "no parameter gets a gradient")
    for one in spoilt:
        other, moved = _loss_and_gradients(m, one)
        _expect(torch.equal(loss, other), f"unknown labels change the loss from {loss:.6g} to {other:.6g}")
        for name, gradient in gradients.items():
            _expect(torch.equal(gradient, moved[name]), f"unknown labels change the gradient of {name}")


def check_no_labels(m: ModelUnderTest) -> None:
    """Without a known label the losses of labels are 0 and move nothing."""
    batch = m.batch()
    assert batch.au_present_valid is not None
    nothing = torch.zeros_like(batch.au_present_valid)
    without = dataclasses.replace(batch, au_present_valid=nothing, au_intensity_valid=nothing)
    model = m.build().train()
    labelled, losses = (model.losses(model(one), one) for one in (batch, without))
    # The others tell pictures apart, not labels.
    of_labels = [losses[name] for name in losses if losses[name] != labelled[name]]
    _expect(bool(of_labels), "no loss depends on the labels")
    loss = torch.stack(of_labels).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    _expect(float(loss.detach()) == 0, f"without a known label the losses are {loss:.6g}, not 0")
    for name, parameter in model.named_parameters():
        still = parameter.grad is None or not bool(parameter.grad.any())
        _expect(still, f"without a known label {name} gets a gradient")


def check_learning_by_heart(m: ModelUnderTest) -> None:
    """Each stage that trains outputs learns eight samples by heart."""
    model, batch = m.build(), m.batch()
    batch = dataclasses.replace(batch, anchor=batch.image)
    assert batch.au_present is not None and batch.au_present_valid is not None and batch.mesh_valid is not None
    for stage in model.stages():
        trained = set_trainable(model, stage)
        if not any(name.startswith(tuple(model.au_outputs)) for name, _ in trained):
            continue  # a stage that learns from pictures alone
        optimizer = torch.optim.Adam([parameter for _, parameter in trained], m.by_heart_lr)
        first = loss = float(_total(model, batch).detach())
        for _ in range(BY_HEART_STEPS):
            optimizer.zero_grad()
            total = _total(model, batch)
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss = float(total.detach())
        rows = batch.mesh_valid if "mesh" in stage.inputs else torch.ones_like(batch.mesh_valid)
        right = (model(batch).au_logit > 0) == (batch.au_present > 0.5)
        _expect(
            loss < BY_HEART_LOSS * first,
            f"stage '{stage.name}' brings the loss on eight samples from {first:.3g} to {loss:.3g}; "
            f"below {BY_HEART_LOSS} of it is wanted, perhaps with another by_heart_lr",
        )
        _expect(
            bool(right[rows[:, None] & batch.au_present_valid].all()),
            f"stage '{stage.name}' does not learn eight samples by heart",
        )


def check_save_and_load(m: ModelUnderTest) -> None:
    """A checkpoint gives the same outputs; a row's output does not depend on the other rows."""
    model, batch = m.build(), m.batch()
    model.train()
    model(batch)  # batch statistics and mean shape become other than initial
    model.eval()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_checkpoint(path, model, {})
        loaded = load_checkpoint(path)
    _expect(loaded.aus == AUS and not loaded.model.training, "the loaded model has other AUs, or is in training mode")
    with torch.inference_mode():
        logit = model(batch).au_logit
        _expect(torch.equal(loaded.model(batch).au_logit, logit), "the loaded model gives other outputs")
        one = Batch(**{name: value[:1] for name, value in vars(batch).items() if value is not None})
        close = torch.allclose(loaded.model(one).au_logit, logit[:1], atol=1e-4, rtol=1e-4)
        _expect(close, "the output for a row depends on the other rows of its batch")


def check_start_from_other_aus(m: ModelUnderTest) -> None:
    """A model for other AUs starts from a checkpoint: common AUs have the same outputs, new ones a fresh start."""
    model, other, batch = m.build(), m.entry.model(m.config, OTHER_AUS), m.batch()
    before = copy.deepcopy(other.state_dict())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_checkpoint(path, model, {})
        start_from(other, path)
    common = [au for au in OTHER_AUS if au in AUS]
    # The checkpoint holds no weights of the stages that come before, where predictions read none.
    for stage in (other if isinstance(model, TrainsMoreThanItReads) else model).stages():
        if stage.name in m.mixing_stages:
            continue
        for each in (model, other):
            set_trainable(each, stage)
            each.eval()
        with torch.inference_mode():
            old = model(batch).au_logit[:, [AUS.index(au) for au in common]]
            new = other(batch).au_logit[:, [OTHER_AUS.index(au) for au in common]]
        same = torch.allclose(new, old, rtol=1.3e-6, atol=1e-5)
        _expect(same, f"stage '{stage.name}': a start from other AUs gives their common AUs other outputs")
    (fresh,) = (k for k, au in enumerate(OTHER_AUS) if au not in AUS)
    state = other.state_dict()
    for prefix, blocks in model.au_outputs.items():
        for name in (name for name in state if name.startswith(prefix)):
            rows = [len(OTHER_AUS) * block + fresh for block in range(blocks)]
            _expect(torch.equal(state[name][rows], before[name][rows]), f"{name} of a new AU is not as it was")


CHECKS: tuple[Callable[[ModelUnderTest], None], ...] = (
    check_config,
    check_parts,
    check_output,
    check_images_are_enough,
    check_losses,
    check_gradients,
    check_stages_leave_the_rest,
    check_unknown_labels,
    check_no_labels,
    check_learning_by_heart,
    check_save_and_load,
    check_start_from_other_aus,
)


def _total(model: Any, batch: Batch) -> Tensor:
    return torch.stack(list(model.losses(model(batch), batch).values())).sum()


def _loss_and_gradients(m: ModelUnderTest, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    model = m.build().train()
    loss = _total(model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    # Parameters of a network that only another stage runs have none.
    return loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def _expect(condition: bool, otherwise: str) -> None:
    # Not `assert`, which Python leaves out with -O.
    if not condition:
        raise AssertionError(otherwise)
