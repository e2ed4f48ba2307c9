"""One step of training: a batch in parts has the gradient of the whole."""

import dataclasses

import torch
from small_models import random_batch

from actionunits.models.batch import Batch, Output
from actionunits.training.hardware import Hardware, make_fabric
from actionunits.training.step import LossStep, backward


class Brightness(torch.nn.Module):
    """Reads presence from the mean colour; no statistics of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 4)
        self.sizes: list[int] = []

    def forward(self, batch: Batch) -> Output:
        self.sizes.append(len(batch.image))
        return Output(self.linear(batch.image.mean((2, 3))))

    def losses(self, output: Output, batch: Batch) -> dict[str, torch.Tensor]:
        error = torch.nn.functional.mse_loss(output.au_logit, batch.au_present)
        return {"error": error, "half": error / 2}


def test_a_batch_in_parts_has_the_gradient_and_the_losses_of_the_whole():
    fabric = make_fabric(Hardware(precision="32", accelerator="cpu"))
    batch = dataclasses.replace(random_batch(7, 8), sequence=None)
    found = {}
    for parts in (1, 3, 20):
        torch.manual_seed(0)
        model = Brightness()
        losses = backward(fabric, fabric.setup(LossStep(model)), batch, parts)
        found[parts] = (losses, model.linear.weight.grad, model.sizes)
    assert [sizes for *_, sizes in found.values()] == [[7], [3, 3, 1], [1] * 7]
    for parts in (3, 20):
        torch.testing.assert_close(found[parts][1], found[1][1])
        torch.testing.assert_close(found[parts][0], found[1][0])
