"""What a model is: the contract that every one keeps, and the abilities that some have besides.

A model is an `nn.Module` made from a config, of which `config_contract` tells, and AU numbers. `Model` names what it
must have. Every other Protocol here is an ability: a class that has it names the Protocol among its bases, and
whoever needs the ability asks with `isinstance` or `issubclass`. `actionunits.testing.check_model` holds a model to
all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from actionunits.models.batch import Batch, Output

if TYPE_CHECKING:  # detection asks for names of models where torch is not installed
    from torch import Tensor, nn

# Fields of Batch that a prediction reads, of models that do not choose their own.
PREDICTION_INPUTS = ("image", "landmarks", "mesh")


@dataclass(frozen=True)
class SequenceSampling:
    """Which stretches of the training clips a stage sees, in time order."""

    per_clip: int  # random ones, in every epoch
    frames: int  # of each; shorter clips come whole
    context: int  # frames at the start of each that no loss sees
    least_active: float  # mean number of active AUs per frame; others are left out
    joined: bool = False  # a person's clips, one after the other, are one sequence


@dataclass(frozen=True)
class Stage:
    """One step of a model's training recipe, run by the one loop of `training/loop.py`."""

    name: str
    parameters: tuple[str, ...]  # prefixes of the parameter names that train; ("",) is all of them
    epochs: int
    batch_size: int
    optimizer: str  # "sgd" | "adam" | "adamw" | "rmsprop"
    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: str = "constant"  # "constant" | "cosine" | "plateau"
    warmup_steps: int = 0
    options: dict[str, float] = field(default_factory=dict)  # extra arguments of the optimizer
    inputs: tuple[str, ...] = ("image",)  # fields of Batch that are read; rows without one are left out
    # Shares of the pairs of a batch, its first ones and those behind them, which MovingPairSampler chooses.
    face_pairs: float = 0.0
    head_pairs: float = 0.0
    lr_factors: tuple[tuple[str, float], ...] = ()  # name prefix -> factor of the learning rate, 1 for other names
    undecayed: tuple[str, ...] = ()  # prefixes of names that weight decay spares, besides all vectors
    patience: int = 0  # validations without a better score that end the stage; 0: none do
    # Share of `lr` below which plateaus do not lower the rate; the one after ends the stage. 0: they go on.
    least_lr_share: float = 0.0
    takes_unused: bool = False  # epochs that the stage before has left are added to its own
    sequences: SequenceSampling | None = None  # batches of clips' features in time order, `batch_size` sequences each
    # From where to where, of the training people in an order that the seed shuffles, the stage learns.
    people: tuple[float, float] = (0.0, 1.0)
    time_share: float = 1.0  # part of a time budget, relative to the other stages

    @classmethod
    def of(cls, config: Any, **own: Any) -> Stage:
        """A stage with every setting of the same name that a model's config has, and the stage's own on top."""
        names = {f.name for f in fields(cls)}
        shared = {name: value for name, value in vars(config).items() if name in names}
        return cls(**(shared | own))


class Model(Protocol):
    """What every model has, besides being an `nn.Module` that is made from `(config, aus)`."""

    config: Any  # a Config
    aus: tuple[int, ...]  # AU number of each output

    @property
    def au_outputs(self) -> Mapping[str, int]:
        """Name prefixes of the weights with one row per AU, and how many blocks of such rows they hold.

        A run can then start from weights of other AUs.
        """
        ...

    def forward(self, batch: Batch) -> Output:
        """Presence of every AU, and its intensity where the model gives it."""
        ...

    def losses(self, output: Any, batch: Batch) -> dict[str, Tensor]:
        """Named scalars, whose sum is minimised: weights belong inside. Unknown labels have no part in any of them.

        output: what `forward` made of the batch.
        """
        ...

    def stages(self) -> list[Stage]:
        """Which parameters train on which inputs, with which optimiser, for how long."""
        ...


@dataclass(frozen=True)
class ModelEntry:
    """What it takes to build a model: `entry.model(entry.config(...), aus)`."""

    config: type[Any]  # a Config; its defaults are the paper's values
    model: type[Any]  # a Model and nn.Module


@runtime_checkable
class HasFeatures(Protocol):
    """Has features to look at: `report tsne`, `report divergence`."""

    def features(self, batch: Batch) -> Tensor:
        """(B, D), or (B, A, D) where every AU has its own."""
        ...


@runtime_checkable
class ChoosesInputs(Protocol):
    """Predicts from other inputs than image, landmarks and mesh."""

    def prediction_inputs(self) -> tuple[str, ...]:
        """Fields of Batch that a prediction reads."""
        ...


@runtime_checkable
class EntersStages(Protocol):
    """Computes differently in its stages; which one it is in is a buffer where predictions depend on it."""

    def enter_stage(self, stage: Stage) -> None:
        """Become what the stage trains; called when it begins."""
        ...


@runtime_checkable
class FollowsTime(Protocol):
    """Can remember earlier frames of a person: predictions of videos go on from its state."""

    def follows_time(self) -> bool:
        """Whether the output for a frame depends on the frames before, as the model is now."""
        ...

    def begin(self) -> TimeState:
        """The state of one sequence before its first frame."""
        ...

    def stream(self, batch: Batch, state: Any) -> tuple[Output, Any]:
        """`forward` that goes on where the batch's sequences stood, and the TimeState that they come to.

        state: a TimeState of the sequences in the order of their numbers; None at their beginning.
        """
        ...


class TimeState(Protocol):
    """What a model that follows time remembers of some sequences."""

    @classmethod
    def join(cls, states: list[Any]) -> Any:
        """The sequences of several states, one after the other."""
        ...

    def of(self, sequence: int) -> Any:
        """The state of one sequence alone."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name; the sequences lie along the second axis, as torch's recurrent layers have them."""
        ...

    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> Any:
        """The state of what `tensors` gave."""
        ...


@runtime_checkable
class LearnsFromSequences(Protocol):
    """Has stages with `Stage.sequences`: they learn over time from what a frozen part says of each frame."""

    def fit(self, batches: Iterable[Batch]) -> None:
        """Take from the training frames what the frozen part needs of them."""
        ...

    def frame_features(self, batch: Batch) -> Tensor:
        """All that these stages read of a frame, (B, D); it comes back as `Batch.features`."""
        ...


@runtime_checkable
class HasPictureNetwork(Protocol):
    """Has a part for single pictures that can run alone: `report activation` maximises its answers."""

    def enter_picture_network(self) -> None:
        """Become the part that reads single pictures."""
        ...


@runtime_checkable
class EstimatesFlow(Protocol):
    """Estimates the motion to a neutral face: `detect --show flow`, `report flow`."""

    def flow(self, batch: Batch) -> Tensor:
        """(B, 2, H, W), pixels, right and down; `Output.flow` holds it too."""
        ...


@runtime_checkable
class TellsSides(Protocol):
    """Tells the intensity of left and right: `detect --sides`."""

    def tells_sides(self) -> bool:
        """Whether outputs have `au_sides`, which may depend on the settings."""
        ...


@runtime_checkable
class TakesBody(Protocol):
    """Starts from ImageNet weights: `--imagenet`."""

    def take_body(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights named as in torchvision. Raises UserError where they do not fit."""
        ...


Rows = tuple["Tensor", "Tensor"]  # weights (A, D) and biases (A,) of a last layer


@runtime_checkable
class LendsResNetBody(Protocol):
    """Has a ResNet-18 that other models can start from: `--init`, `init_body_only`."""

    def resnet_body(self) -> dict[str, Tensor]:
        """Its weights, named as in torchvision."""
        ...

    def au_rows(self) -> tuple[Rows, Rows]:
        """Rows of the log-odds of presence, and of activations a of the intensity 5 s(a), s the logistic function."""
        ...


@runtime_checkable
class TakesAuRows(Protocol):
    """Starts from the last layer of a ResNet-18 besides its body: `--init`."""

    def take_au_rows(self, aus: tuple[int, ...], presence: Rows, intensity: Rows) -> None: ...


@runtime_checkable
class GoesOnFrom(Protocol):
    """Leaves stages out when it starts from a model of its kind: `--init`."""

    def go_on_from(self, source: Any) -> tuple[str, ...]:
        """Leave out the stages that `source` has been through; name prefixes of what `source` may lack."""
        ...


@runtime_checkable
class BuildsOnVariants(Protocol):
    """Has variants that start from one another: `reproduce` trains each stage once."""

    @classmethod
    def place_in_recipe(cls, config: Any) -> int:
        """Position of the config's variant, from 0; it can start from all variants before."""
        ...


@runtime_checkable
class TrainsMoreThanItReads(Protocol):
    """Has modules that training needs and no prediction reads: checkpoints hold none of them."""

    def unread(self) -> tuple[str, ...]: ...  # their name prefixes; none before the model's last stage


@runtime_checkable
class RelatesAus(Protocol):
    """Has weights with a row and a column per AU, for a start from weights of other AUs: `--init`."""

    def au_pairs(self) -> tuple[str, ...]:
        """Names of these weights."""
        ...


@runtime_checkable
class TransfersByRegression(HasFeatures, Protocol):
    """Comes to other data by linear regression on its frozen features: `crossval --protocol regression`."""

    def regression_layer(self) -> nn.Linear:
        """The layer that reads the features."""
        ...


@runtime_checkable
class TransfersBySvm(HasFeatures, Protocol):
    """Comes to other data by linear support vector machines on its frozen features: `crossval --protocol svm`."""

    def svm_layer(self) -> nn.Linear:
        """Become the network that scores by the machines; the layer that holds them."""
        ...


@runtime_checkable
class TransfersByProbe(HasFeatures, Protocol):
    """Comes to labelled data by a linear probe on its frozen features: `crossval --protocol probe`, `probe`."""

    def probe_layers(self) -> tuple[nn.BatchNorm1d, nn.Parameter, nn.Parameter]:
        """The batch norm without scale and bias, and the weights (A, D) and intercepts (A,) behind it."""
        ...


ABILITIES: tuple[type, ...] = (
    HasFeatures,
    ChoosesInputs,
    EntersStages,
    FollowsTime,
    LearnsFromSequences,
    HasPictureNetwork,
    EstimatesFlow,
    TellsSides,
    TakesBody,
    LendsResNetBody,
    TakesAuRows,
    GoesOnFrom,
    BuildsOnVariants,
    TrainsMoreThanItReads,
    RelatesAus,
    TransfersByRegression,
    TransfersBySvm,
    TransfersByProbe,
)


def prediction_inputs(model: Any) -> tuple[str, ...]:
    """Fields of Batch that a prediction of the model reads."""
    return model.prediction_inputs() if isinstance(model, ChoosesInputs) else PREDICTION_INPUTS


def over_time(model: Any) -> FollowsTime | None:
    """The model as one that follows time; None where its output for a frame depends on no other."""
    return model if isinstance(model, FollowsTime) and model.follows_time() else None


def reads_mesh(stages: Iterable[Stage]) -> bool:
    """Whether a stage reads mesh points."""
    return any("mesh" in stage.inputs for stage in stages)
