"""The comparison of `benchmarks/quality.py`: its methods, its protocol and its table."""

import tarfile

import cv2
import numpy as np
import pytest

from benchmarks import classical, quality
from benchmarks.classical import CLASSICAL
from benchmarks.methods import Method, ours
from sam2_widget import load_model
from training import cases
from training.clicks import Click, bounding_box, first_click
from training.datasets import iou

SHAPE = (96, 128)


def disc(x, y, radius=20):
    return cv2.circle(np.zeros(SHAPE, np.uint8), (x, y), radius, 1, -1) > 0


LEFT, RIGHT = disc(36, 50), disc(92, 46)


def picture():
    rng = np.random.default_rng(0)
    image = rng.integers(50, 60, (*SHAPE, 3)).astype(np.uint8)
    for target in (LEFT, RIGHT):
        image[target] += np.array([150, 110, 20], np.uint8)
    return image


@pytest.fixture(params=["bundled", *CLASSICAL])
def segmenter(request):
    name = request.param
    method = ours(load_model(name, device="cpu")) if name == "bundled" else CLASSICAL[name]
    return method.begin(picture())


def write_set(folder):
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    labels = LEFT.astype(np.uint16) + 2 * RIGHT
    for name in "ab":
        cv2.imwrite(str(folder / f"images/{name}.png"), picture()[..., ::-1])
        cv2.imwrite(str(folder / f"masks/{name}.png"), labels)
    return folder


@pytest.mark.parametrize("target", [LEFT, RIGHT], ids=["left", "right"])
def test_every_method_finds_a_disc_and_not_its_twin(segmenter, target):
    twin = RIGHT if target is LEFT else LEFT
    click, beside = first_click(target), first_click(twin)._replace(label=0)
    alone = segmenter.clicked((click,), None)
    mask = segmenter.clicked((click, beside), alone)
    assert iou(mask, target) > 0.8
    assert iou(segmenter.in_box(bounding_box(target)), target) > 0.8


def test_methods_are_deterministic(segmenter):
    clicks = (first_click(LEFT), first_click(RIGHT)._replace(label=0))
    first = segmenter.clicked(clicks[:1], None)
    again = segmenter.clicked(clicks, first)
    np.testing.assert_array_equal(segmenter.clicked(clicks[:1], None), first)
    np.testing.assert_array_equal(segmenter.clicked(clicks, first), again)


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods_give_every_clicked_pixel_its_label(name):
    segmenter = CLASSICAL[name].begin(picture())
    clicks = tuple(Click(30 + 2 * i, 40 + i, i % 2) for i in range(1, 9))
    mask = segmenter.clicked(clicks, None)
    assert [mask[c.y, c.x] for c in clicks] == [bool(c.label) for c in clicks]


@pytest.mark.parametrize("name", ["grabcut", "geodesic"])  # the random walker needs an edge
@pytest.mark.parametrize("value", [0, 128, 255])
def test_classical_methods_accept_images_without_edges(name, value):
    segmenter = CLASSICAL[name].begin(np.full((*SHAPE, 3), value, np.uint8))
    assert segmenter.clicked((Click(40, 40, 1),), None)[40, 40]
    assert segmenter.in_box((0, 0, SHAPE[1] - 1, SHAPE[0] - 1)).shape == SHAPE
    assert segmenter.in_box((5, 5, 5, 6)).shape == SHAPE


def test_the_gradient_is_largest_on_edges():
    slope = classical.gradient(picture())
    edge = cv2.morphologyEx(LEFT.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert slope[edge].mean() > 3 * slope[~edge].mean()


class Improving:
    """Returns half of the target, then more with every click; records the prompts."""

    def __init__(self, target, ious):
        self.target, self.ious, self.calls = target, ious, []

    def clicked(self, clicks, previous):
        self.calls.append((clicks, previous))
        rows, columns = np.nonzero(self.target)
        count = round(self.ious[len(clicks) - 1] * rows.size)
        mask = np.zeros_like(self.target)
        mask[rows[:count], columns[:count]] = True
        return mask

    def in_box(self, box):
        return self.target


def trial_of(ious):
    segmenter = Improving(LEFT, ious)
    case = cases.Case(picture(), LEFT)
    return segmenter, quality.run_trial(Method("improving", lambda _: segmenter), case)


def test_the_simulated_user_corrects_the_mask_until_it_is_right():
    segmenter, trial = trial_of([0.5, 0.8, 0.86, 1.0])
    assert segmenter.calls[0] == ((first_click(LEFT),), None)
    assert [len(clicks) for clicks, _ in segmenter.calls] == [1, 2, 3, 4]
    assert iou(segmenter.calls[2][1], LEFT) == pytest.approx(0.8, abs=1e-3)
    assert segmenter.calls[1][0][1].label == 1
    assert (trial.clicks_to(0.85), trial.clicks_to(0.9)) == (3, 4)
    assert quality.after(trial.ious, 1) == pytest.approx(0.5, abs=1e-3)
    assert quality.after(trial.ious, 5) == quality.after(trial.boundaries, 5) == 1
    assert trial.reached(0.9)
    assert trial.box_iou == trial.box_boundary == 1
    assert trial.score_errors() == []
    assert trial.best_of_three is None


def test_the_simulated_user_gives_up_after_twenty_clicks():
    segmenter, trial = trial_of([0.7] * 20)
    assert len(segmenter.calls) == 20
    assert trial.clicks_to(0.85) == 20
    assert not trial.reached(0.85)


def test_an_outline_pixel_is_correct_within_two_pixels():
    target = np.zeros((60, 60), bool)
    target[20:40, 20:40] = True
    shifted = [np.roll(target, shift, axis=1) for shift in (0, 2, 3)]
    assert [quality.boundary_f(mask, target) for mask in shifted[:2]] == [1, 1]
    # Half of the outline, the two vertical sides, is too far off.
    assert 0.4 < quality.boundary_f(shifted[2], target) < 0.7
    assert quality.boundary_f(np.zeros_like(target), target) == 0


def test_the_models_iou_estimate_is_compared_with_the_true_iou():
    trial = quality.run_trial(
        ours(load_model("bundled", device="cpu")), cases.Case(picture(), LEFT)
    )
    assert len(trial.scores) == len(trial.ious)
    assert trial.score_errors()[0] == pytest.approx(trial.scores[0] - trial.ious[0])
    assert trial.best_of_three is not None
    assert trial.best_of_three >= trial.ious[0]


def test_clicks_that_change_no_metric_are_skipped():
    segmenter, _ = trial_of([0.95] * 20)
    assert len(segmenter.calls) == 5


def test_the_cases_are_the_same_at_any_size(tmp_path):
    folder = write_set(tmp_path / "discs")
    found = cases.load_cases(folder, count=3, seed=4, longest=64)
    expected = cases.load_cases(folder, count=3, seed=4, longest=256)
    assert [case.image.shape for case in found] == [(48, 64, 3)] * 3
    assert [c.target[25, 18] for c in found] == [c.target[50, 36] for c in expected]


def test_an_uncertain_band_is_split_by_distance():
    labels = np.zeros((9, 21), np.uint8)
    labels[:, 7:14], labels[:, 14:] = 128, 255
    found = cases.split_band(labels)
    assert found[4].tolist() == [0] * 11 + [1] * 10


def test_the_command_prints_and_writes_one_table(tmp_path, capsys):
    folder = write_set(tmp_path / "discs")
    with tarfile.open(tmp_path / "discs.tar", "w") as tar:
        tar.add(folder, "discs")
    out = tmp_path / "table.md"
    options = ["--methods", "bundled", "geodesic", "--count", "2", "--out", str(out)]
    quality.main([str(tmp_path / "discs.tar"), str(folder), *options])
    printed = capsys.readouterr().out
    assert printed == out.read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines()]
    assert lines[0] == list(quality.HEADINGS)
    assert [line[:2] for line in lines[2:]] == 2 * [
        ["discs (2)", "bundled"],
        ["discs (2)", "geodesic"],
    ]
    assert all(len(line) == len(quality.HEADINGS) for line in lines)
    assert all(0.5 < float(line[2]) <= 1 for line in lines[2:])


def test_the_error_names_a_missing_data_set_or_model(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        quality.main([str(tmp_path / "nowhere.tar")])
    with pytest.raises(SystemExit, match="images and masks"):
        quality.main([str(tmp_path)])
    folder = write_set(tmp_path / "discs")
    with pytest.raises(SystemExit, match="no-such-model"):
        quality.main([str(folder), "--model", "no-such-model"])
