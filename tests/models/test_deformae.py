"""DeformAE: deformations by hand, losses against literal loops, and what its parts give."""

import pytest
import torch
from small_models import AUS, SMALL, random_batch

from actionunits.errors import UserError
from actionunits.models.deformae import DeformAe, DeformAeConfig, loss
from actionunits.models.deformae.deformation import integrated, sampled, still, turned


def small():
    torch.manual_seed(0)
    return DeformAe(DeformAeConfig(**SMALL["deformae"]), AUS).eval()


def test_steps_of_one_leave_a_picture_as_it_is():
    picture = torch.rand(2, 3, 5, 7)
    places = integrated(torch.ones(2, 2, 5, 7))
    torch.testing.assert_close(sampled(picture, places), picture, atol=1e-5, rtol=0)
    torch.testing.assert_close(still(places), places[:1])


def test_places_are_running_sums_of_steps():
    steps = torch.rand(1, 2, 3, 4, dtype=torch.float64) + 0.1
    found = integrated(steps)
    for y in range(3):
        for x in range(4):
            right = sum(steps[0, 0, y, k] for k in range(x + 1)) - 0.5
            down = sum(steps[0, 1, k, x] for k in range(y + 1)) - 0.5
            expected = torch.stack([right * 2 / 4 - 1, down * 2 / 3 - 1])
            torch.testing.assert_close(found[0, y, x], expected, atol=1e-10, rtol=0)


def test_an_affine_map_moves_places():
    places = torch.tensor([[[[0.5, -0.25]]]])
    affine = torch.tensor([[[2.0, 1.0, 0.5], [0.0, -1.0, 0.25]]])
    assert turned(places, affine).flatten().tolist() == [2 * 0.5 - 0.25 + 0.5, 0.25 + 0.25]


def test_losses_are_those_of_literal_loops():
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    steps, places, affine = rand(2, 2, 3, 4), rand(2, 3, 4, 2), rand(2, 2, 3)
    total = 0.0
    for b in range(2):
        for axis in range(2):
            for y in range(3):
                for x in range(4):
                    if y:
                        total += abs(steps[b, axis, y, x] - steps[b, axis, y - 1, x]) / 2
                    if x:
                        total += abs(steps[b, axis, y, x] - steps[b, axis, y, x - 1]) / 2
    assert loss.smoothness_loss(steps).item() == pytest.approx(float(total), abs=1e-10)
    quiet, total = still(places), 0.0
    for row in range(2):
        for column in range(3):
            total += ((affine[0, row, column] + affine[1, row, column]) / 2 - float(row == column)) ** 2
    for y in range(3):
        for x in range(4):
            for axis in range(2):
                total += ((places[0, y, x, axis] + places[1, y, x, axis]) / 2 - quiet[0, y, x, axis]) ** 2 / 12
    assert loss.bias_loss(affine, places, quiet).item() == pytest.approx(float(total), abs=1e-10)
    assert loss.reconstruction_loss(steps, torch.zeros_like(steps)).item() == pytest.approx(
        float((steps**2).mean()), abs=1e-10
    )


def test_no_pixel_passes_its_neighbour():
    parts = small().parts(5 * torch.randn(3, 16))
    assert (parts.places[:, :, 1:, 0] > parts.places[:, :, :-1, 0]).all()
    assert (parts.places[:, 1:, :, 1] > parts.places[:, :-1, :, 1]).all()
    assert parts.generated.shape == (3, 3, 64, 64) and 0 <= parts.texture.min() <= parts.texture.max() <= 1


def test_both_frames_of_a_pair_are_learned_from_and_the_probe_reads_the_first():
    model, batch = small(), random_batch(2, 64, inputs=("image", "target"))
    output = model(batch)
    assert output.parts is not None and len(output.parts.generated) == 4
    torch.testing.assert_close(output.au_logit, model(random_batch(2, 64)).au_logit)


def test_the_code_has_the_512_numbers_of_the_paper():
    with torch.device("meta"):
        model = DeformAe(DeformAeConfig(), AUS)
    assert model.probe.weight.shape == (len(AUS), 512) and model.config.image_size == 256
    with pytest.raises(UserError, match="image_size is 100; it must be a power of two"):
        DeformAeConfig(image_size=100)
