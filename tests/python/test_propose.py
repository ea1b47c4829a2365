"""`propose` and ``sam2-widget propose``."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from sam2_widget import PromptError, SettingError, load_image, propose, segment
from sam2_widget.cli import main
from sam2_widget.errors import OutOfMemoryError
from sam2_widget.models import recovery
from sam2_widget.testing import FakePredictor

IMAGE = np.random.default_rng(3).integers(0, 255, (96, 128, 3), np.uint8)


def proposed(**options):
    return propose(IMAGE, **{"model": FakePredictor(), "points_per_side": 3, **options})


def test_the_result_has_masks_scores_objects_and_exports(tmp_path):
    result = proposed(label="cell")
    assert result.masks.shape == (len(result.objects), 96, 128)
    assert len(result.objects) > 5
    assert list(result.scores) == sorted(result.scores, reverse=True)
    assert {one.label for one in result.objects} == {"cell"}
    assert (result.model, result.provenance.model) == ("fake", "fake")
    result.to_coco(tmp_path / "a.json")
    file = json.loads((tmp_path / "a.json").read_text())
    assert [one["area"] for one in file["annotations"]] == [one.area for one in result.objects]


def test_its_prompts_give_the_same_masks_again():
    result = proposed()
    again = segment(IMAGE, result.prompts, model=FakePredictor())
    np.testing.assert_array_equal(again.masks, result.masks)
    np.testing.assert_array_equal(again.scores, result.scores)


def test_so_do_those_of_proposals_from_crops():
    result = proposed(layers=1, model=FakePredictor(radius=0.05), points_per_side=6)
    assert {one.found.crop.layer for one in result.proposals} == {0, 1}
    again = segment(IMAGE, result.prompts, model=FakePredictor(radius=0.05))
    np.testing.assert_array_equal(again.masks, result.masks)
    np.testing.assert_allclose(again.scores, result.scores)


def test_other_thresholds_need_no_model():
    predictor = FakePredictor()
    result = proposed(model=predictor)
    runs = predictor.predicted
    assert {round(float(s), 3) for s in result.filtered(min_score=0.85).scores} == {0.9}
    assert predictor.predicted == runs
    everything = result.filtered(min_score=0, min_stability=0, max_overlap=1)
    assert len(everything.objects) == len(result.proposals) == 27
    small = everything.filtered(max_area=400)
    assert {one.area <= 410 for one in small.objects} == {True}
    assert 0 < len(small.objects) < 27
    assert small.filter.max_overlap == 1
    fresh = proposed(min_score=0.85)
    np.testing.assert_array_equal(fresh.masks, result.filtered(min_score=0.85).masks)


def test_the_table_has_all_proposals():
    result = proposed()
    frame = result.proposals.to_frame()
    columns = ["number", "score", "stability", "area", "x0", "y0", "x1", "y1", "x", "y"]
    assert list(frame.columns) == columns
    assert list(frame["number"]) == list(range(1, 28))
    assert (frame["x1"] > frame["x0"]).all()
    assert [one.number for one in result.proposals.numbered([5, 2, 5])] == [5, 2]
    assert [one.number for one in result.proposals[3:5]] == [4, 5]
    with pytest.raises(PromptError, match="no proposal 99"):
        result.proposals.numbered([99])


def test_progress_ends_at_one():
    shares = []
    proposed(progress=shares.append)
    assert shares == pytest.approx(np.arange(1, 10) / 9)


def test_an_image_of_one_colour_gives_none_with_a_warning():
    with pytest.warns(UserWarning, match="same colour"):
        result = propose(np.zeros((50, 60), np.uint8), model=FakePredictor())
    assert result.masks.shape == (0, 50, 60)
    assert result.objects == ()
    assert len(result.proposals) == 0


def test_a_region_of_a_few_pixels_gives_none_with_a_warning():
    with pytest.warns(UserWarning, match="4 x 5 pixels is too small"):
        assert proposed(region=(10, 10, 14, 15)).objects == ()


def test_thresholds_that_nothing_passes_are_named():
    with pytest.warns(UserWarning, match=r"none of 27 proposals passes .*min_area=99999"):
        assert proposed(min_area=99999).objects == ()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"region": (0, 0, 500, 50)}, PromptError),
        ({"region": "left"}, PromptError),
        ({"points_per_side": 0}, SettingError),
        ({"min_score": 7}, SettingError),
        ({"overlap_of": "circles"}, SettingError),
    ],
)
def test_bad_input_is_refused_before_the_model_is_used(options, error):
    predictor = FakePredictor()
    with pytest.raises(error, match=next(iter(options))):
        proposed(model=predictor, **options)
    assert predictor.embedded == 0


def test_a_hundred_megapixels_by_crops():
    image = np.zeros((10_000, 10_000, 3), np.uint8)
    image[::1000, ::1000] = 255
    loaded = load_image(image)
    tracemalloc.start()
    result = propose(loaded, model=FakePredictor(radius=0.05), points_per_side=3, layers=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {one.found.crop.layer for one in result.proposals} == {0, 1, 2}
    largest = max((one.found.crop for one in result.proposals if one.found.crop.layer), key=area)
    assert largest.area < 0.46 * 10_000**2
    # One crop is copied at a time, and the whole image never.
    assert peak < 3 * largest.area + 80e6 < image.nbytes
    # No array of the image's size is kept for a proposal.
    sizes = [sum(len(mask.data) for mask in one.found.masks) for one in result.proposals]
    assert max(sizes) < 20_000


def area(crop):
    return crop.area


class FailsAfter(FakePredictor):
    """Runs out of memory after some calls, for good."""

    def __init__(self, calls, error):
        super().__init__()
        self._left = calls
        self._error = error

    def _predict(self, *args, **options):
        self._left -= 1
        if self._left < 0:
            raise self._error
        return super()._predict(*args, **options)


@pytest.mark.filterwarnings("ignore:cpu is out of memory")
def test_memory_that_runs_out_in_the_middle_leaves_what_was_found():
    predictor = FailsAfter(4, MemoryError())
    with pytest.warns(UserWarning, match="stopped after") as warned:
        result = proposed(model=predictor, points_per_side=3)
    assert len(result.proposals) == 12
    assert len(result.objects) > 0
    last = str(warned[-1].message)
    assert last.startswith("stopped after 44% of the points, with what was found until then")
    assert "close other notebooks" in last


@pytest.mark.filterwarnings("ignore:.*out of memory")
def test_memory_that_never_sufficed_is_an_error():
    with pytest.raises(OutOfMemoryError, match="too little memory"):
        proposed(model=FailsAfter(0, MemoryError()))


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def photo(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    Image.fromarray(IMAGE).save(path)
    monkeypatch.setattr(recovery.Plan, "load", lambda _: FakePredictor())
    return path


def command(photo, *more):
    return main(["propose", str(photo), "--model", "bundled", "--points-per-side", "3", *more])


def test_the_command_writes_a_file(photo, tmp_path, capsys):
    out = tmp_path / "masks.json"
    options = ("--min-score", "0.85", "--classes", '{"cell": 17}', "--label", "cell")
    assert command(photo, "--out", str(out), *options) == 0
    file = json.loads(out.read_text())
    assert file["images"][0]["file_name"] == "photo.png"
    assert {one["category_id"] for one in file["annotations"]} == {17}
    count = len(proposed(min_score=0.85).objects)
    assert len(file["annotations"]) == count
    assert f"{count} objects were found" in capsys.readouterr().err


@pytest.mark.filterwarnings("default::sam2_widget.LossWarning")  # shown in one line
def test_the_command_takes_a_region(photo, tmp_path):
    out = tmp_path / "masks.png"
    assert command(photo, "--out", str(out), "--region", "0,0,70,96", "--min-area", "20") == 0
    label_map = np.asarray(Image.open(out))
    assert label_map.shape == (96, 128)
    assert label_map.any()
    assert not label_map[:, 70:].any()


def test_an_unknown_suffix_is_an_error(photo, tmp_path, capsys):
    assert command(photo, "--out", str(tmp_path / "masks.jsn")) == 1
    assert "has the suffix '.jsn': use one of .json, " in capsys.readouterr().err
    assert not (tmp_path / "masks.jsn").exists()


@pytest.mark.filterwarnings("default::UserWarning")
def test_wrong_options_are_errors_of_one_line(photo, tmp_path, capsys):
    out = str(tmp_path / "masks.json")
    with pytest.raises(SystemExit):
        command(photo, "--out", out, "--region", "everything")
    assert "X0,Y0,X1,Y1" in capsys.readouterr().err
    assert command(photo, "--out", out, "--layers", "9") == 1
    assert "layers must be a whole number within 0..4, got 9" in capsys.readouterr().err
    assert command(photo, "--out", out, "--region", "0,0,5,5") == 0
    assert "too small" in capsys.readouterr().err


def test_the_command_takes_a_folder(photo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(IMAGE).save(folder / name)
    (folder / "c.png").write_bytes(b"none")
    out = tmp_path / "out" / "all.json"
    assert command(folder, "--out", str(out), "--label", "cell") == 1
    said = capsys.readouterr().err
    assert "2 of 3 images were segmented" in said
    assert "c.png" in said
    file = json.loads(out.read_text())
    assert [one["file_name"] for one in file["images"]] == ["a.png", "b.png"]
    count = len(proposed().objects)
    assert len(file["annotations"]) == 2 * count > 10
    assert [one["name"] for one in file["categories"]] == ["cell"]


def test_the_command_writes_a_file_for_each_image_of_a_folder(photo, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(IMAGE).save(folder / "a.png")
    assert command(folder, "--out", str(tmp_path / "masks"), "--format", "npz") == 0
    masks = np.load(tmp_path / "masks" / "a.npz")["masks"]
    np.testing.assert_array_equal(masks, proposed().masks)
