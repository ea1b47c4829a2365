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
from training.pseudo import iou

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


def test_answers_are_the_same_again(segmenter):
    clicks = (first_click(LEFT), first_click(RIGHT)._replace(label=0))
    first = segmenter.clicked(clicks[:1], None)
    again = segmenter.clicked(clicks, first)
    np.testing.assert_array_equal(segmenter.clicked(clicks[:1], None), first)
    np.testing.assert_array_equal(segmenter.clicked(clicks, first), again)


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods_obey_every_click(name):
    segmenter = CLASSICAL[name].begin(picture())
    clicks = tuple(Click(30 + 2 * i, 40 + i, i % 2) for i in range(1, 9))
    mask = segmenter.clicked(clicks, None)
    assert [mask[c.y, c.x] for c in clicks] == [bool(c.label) for c in clicks]


@pytest.mark.parametrize("name", ["grabcut", "geodesic"])  # the random walker needs an edge
@pytest.mark.parametrize("value", [0, 128, 255])
def test_classical_methods_take_images_without_edges(name, value):
    segmenter = CLASSICAL[name].begin(np.full((*SHAPE, 3), value, np.uint8))
    assert segmenter.clicked((Click(40, 40, 1),), None)[40, 40]
    assert segmenter.in_box((0, 0, SHAPE[1] - 1, SHAPE[0] - 1)).shape == SHAPE
    assert segmenter.in_box((5, 5, 5, 6)).shape == SHAPE


def test_the_gradient_lies_on_the_edges():
    slope = classical.gradient(picture())
    edge = cv2.morphologyEx(LEFT.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    assert slope[edge].mean() > 3 * slope[~edge].mean()


class Improving:
    """Shows half of the target, then more with every click; writes down what it is told."""

    def __init__(self, target, ious):
        self.target, self.ious, self.told = target, ious, []

    def clicked(self, clicks, previous):
        self.told.append((clicks, previous))
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


def test_a_user_corrects_what_is_shown_until_it_is_right():
    segmenter, trial = trial_of([0.5, 0.8, 0.86, 1.0])
    assert segmenter.told[0] == ((first_click(LEFT),), None)
    assert [len(clicks) for clicks, _ in segmenter.told] == [1, 2, 3, 4]
    assert iou(segmenter.told[2][1], LEFT) == pytest.approx(0.8, abs=1e-3)
    assert segmenter.told[1][0][1].label == 1
    assert (trial.clicks_to(0.85), trial.clicks_to(0.9)) == (3, 4)
    assert (trial.iou_after(1), trial.iou_after(5)) == (pytest.approx(0.5, abs=1e-3), 1.0)
    assert trial.reached(0.9)
    assert trial.box_iou == 1


def test_a_user_gives_up_after_twenty_clicks():
    segmenter, trial = trial_of([0.7] * 20)
    assert len(segmenter.told) == 20
    assert trial.clicks_to(0.85) == 20
    assert not trial.reached(0.85)


def test_no_click_is_made_that_changes_no_figure():
    segmenter, _ = trial_of([0.95] * 20)
    assert len(segmenter.told) == 5


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


def test_a_missing_set_or_model_is_named(tmp_path):
    with pytest.raises(SystemExit, match="nowhere"):
        quality.main([str(tmp_path / "nowhere.tar")])
    with pytest.raises(SystemExit, match="images and masks"):
        quality.main([str(tmp_path)])
    folder = write_set(tmp_path / "discs")
    with pytest.raises(SystemExit, match="no-such-model"):
        quality.main([str(folder), "--model", "no-such-model"])
