"""Tracking by SAM 2: the masks equal those of sam2's own video predictor."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from sam2.build_sam import build_sam2_video_predictor

from sam2_widget import track
from sam2_widget.annotation.keyframes import certain_logits, keyframe_of
from sam2_widget.annotation.predictions import PredictionCache
from sam2_widget.annotation.propagation import Propagation
from sam2_widget.annotation.stretches import KeyframeMark, stretches
from sam2_widget.errors import CheckpointError
from sam2_widget.masks.logits import quantise, upsample
from sam2_widget.models.base.architecture import VIDEO_ONLY
from sam2_widget.models.predictors import load_file
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.models.sam2.tracking import Sam2Tracker
from sam2_widget.predictor import Frame, Keyframe, Track, TrackingPredictor
from sam2_widget.prompts.types import Box, Choice, Point

SIDE = 128
"""Side of the network's input: the real architecture with 1/64 of the usual work."""

HEIGHT, WIDTH = 90, 160
COUNT = 18
"""Number of frames: more than SAM 2 uses, 6 for memories and 15 for object pointers."""

CONFIGS = {
    "2.1": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "2": "configs/sam2/sam2_hiera_t.yaml",
}


@cache
def video_predictor(kind):
    """sam2's video predictor, with seeded random weights that find objects on all frames."""
    torch.manual_seed(3)
    model = build_sam2_video_predictor(
        CONFIGS[kind], device="cpu", hydra_overrides_extra=[f"++model.image_size={SIDE}"]
    )
    model.fill_hole_area = 0  # done by a CUDA extension, if it is installed
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith(("memory", "maskmem", "obj_ptr", "no_obj")):
                weight.add_(0.02 * torch.randn_like(weight))
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(0.5)
    return model


@cache
def tracker(kind):
    model = video_predictor(kind)
    return Sam2Tracker(
        model, whole=lambda same: same, name=kind, dtype=torch.float32, kept=torch.float32
    )


@cache
def frames(kind):
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 255, (HEIGHT, WIDTH + 8 * COUNT, 3), np.uint8)
    images = [np.ascontiguousarray(texture[:, 8 * i : 8 * i + WIDTH]) for i in range(COUNT)]
    model = tracker(kind)
    return [Frame(i, COUNT, rgb, partial(model.embed, rgb)) for i, rgb in enumerate(images)]


def state_of(kind):
    """The result of `init_state`, for frames that are not JPEG files."""
    model, own = video_predictor(kind), tracker(kind)
    state = {
        "images": torch.stack([own._pixels(frame.rgb) for frame in frames(kind)]),
        "num_frames": COUNT,
        "video_height": HEIGHT,
        "video_width": WIDTH,
        "device": torch.device("cpu"),
        "storage_device": torch.device("cpu"),
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "obj_ids": [],
    }
    state |= {name: OrderedDict() for name in ("obj_id_to_idx", "obj_idx_to_id")}
    parts: tuple[str, ...]
    parts = ("point_inputs_per_obj", "mask_inputs_per_obj", "output_dict_per_obj")
    parts += ("temp_output_dict_per_obj", "frames_tracked_per_obj", "cached_features", "constants")
    state |= {name: {} for name in parts}
    model._get_image_feature(state, frame_idx=0, batch_size=1)
    return state


def theirs(kind, start, objects, *, reverse):
    """Low-resolution logits of sam2's predictor, by object and frame."""
    model, state = video_predictor(kind), state_of(kind)
    for number, prompts in objects.items():
        for given in prompts:
            if "mask" in given:
                model.add_new_mask(state, start, number, given["mask"])
            else:
                model.add_new_points_or_box(state, start, number, **given)
    for _ in model.propagate_in_video(state, reverse=reverse):
        pass
    return {
        (number, index): output["pred_masks"][0, 0].numpy()
        for number, place in state["obj_id_to_idx"].items()
        for outputs in state["output_dict_per_obj"][place].values()
        for index, output in outputs.items()
    }


def ours(kind, start, keyframes, *, reverse, until=COUNT, model=None):
    """Tracked masks by object and frame, and the tracks at the end."""
    model = model or tracker(kind)
    images = [frame.rgb for frame in frames(kind)]
    all_frames = [Frame(i, COUNT, rgb, partial(model.embed, rgb)) for i, rgb in enumerate(images)]
    numbers, found = list(keyframes), {}
    memories = model.remember(all_frames[start], [keyframes[n] for n in numbers])
    tracks = [Track((memory,), reverse=reverse) for memory in memories]
    for frame in all_frames[start - 1 :: -1] if reverse else all_frames[start + 1 : until]:
        answers = model.follow(frame, tracks)
        found |= {(n, frame.index): one for n, (one, _) in zip(numbers, answers, strict=True)}
        pairs = zip(tracks, answers, strict=True)
        tracks = [Track(track.keyframes, memory, reverse) for track, (_, memory) in pairs]
    return found, tracks


def clicked(kind, index, *prompts):
    frame = frames(kind)[index]
    predictions = PredictionCache(tracker(kind), lambda: frame.embedding, (HEIGHT, WIDTH))
    return keyframe_of(predictions, prompts)


def mask_keyframe(mask):
    return Keyframe(mask, certain_logits(mask, tracker("2.1").logits_size))


ELLIPSE = ((np.mgrid[:HEIGHT, :WIDTH].T - (40, 70)) ** 2 @ (1 / 400, 1 / 900)).T < 1
PROMPTS = {
    "a point": ((Point(70, 40),), [{"points": [[70, 40]], "labels": [1]}]),
    "a box": ((Box(40, 20, 100, 60),), [{"box": [40, 20, 100, 60]}]),
    "points one after another": (
        (Point(70, 40), Point(30, 70, label=0), Point(90, 30)),
        [
            {"points": [[70, 40]], "labels": [1]},
            {"points": [[30, 70]], "labels": [0], "clear_old_points": False},
            {"points": [[90, 30]], "labels": [1], "clear_old_points": False},
        ],
    ),
    "a box, then a point": (
        (Box(40, 20, 100, 60), Point(30, 70, label=0)),
        [
            {"box": [40, 20, 100, 60]},
            {"points": [[30, 70]], "labels": [0], "clear_old_points": False},
        ],
    ),
    "a mask": (None, [{"mask": ELLIPSE}]),
}


def keyframe_for(kind, name, index):
    prompts = PROMPTS[name][0]
    return mask_keyframe(ELLIPSE) if prompts is None else clicked(kind, index, *prompts)


def compared(kind, start, names, *, reverse):
    """Logits of both by object and frame, after checking that their numbers are equal."""
    numbers = dict(enumerate(names, 1))
    low = theirs(kind, start, {n: PROMPTS[name][1] for n, name in numbers.items()}, reverse=reverse)
    keyframes = {n: keyframe_for(kind, name, start) for n, name in numbers.items()}
    found, _ = ours(kind, start, keyframes, reverse=reverse)
    assert len(found) == len(names) * (start if reverse else COUNT - 1 - start)
    return {key: (one.logits, np.clip(low[key], -32, 32)) for key, one in found.items()}


@pytest.mark.parametrize(
    ("kind", "start", "reverse", "names"),
    [
        ("2.1", 0, False, PROMPTS),
        ("2.1", COUNT - 4, True, ("a point", "a mask")),
        ("2", 0, False, ("a box", "a mask")),
        ("2", 9, True, ("a point",)),
    ],
)
def test_masks_are_those_of_sam2s_own_video_predictor(kind, start, reverse, names):
    pairs = compared(kind, start, names, reverse=reverse)
    for logits, wanted in pairs.values():
        np.testing.assert_allclose(logits, wanted, atol=1e-3)
        assert np.mean((quantise(logits) > 0) == (quantise(wanted) > 0)) > 0.999
    inside = [(logits > 0).mean() for logits, _ in pairs.values()]
    assert np.std(inside) > 0.001, "all masks are alike, which proves nothing"


def test_masks_do_not_depend_on_other_tracked_objects():
    names = ("a point", "a box", "a mask")
    keyframes = {name: keyframe_for("2.1", name, 0) for name in names}
    together, _ = ours("2.1", 0, keyframes, reverse=False, until=9)
    for name in names:
        alone, _ = ours("2.1", 0, {name: keyframes[name]}, reverse=False, until=9)
        for key, one in alone.items():
            np.testing.assert_array_equal(one.logits, together[key].logits)


def test_objects_tracked_in_one_batch_differ_only_by_rounding():
    several = Sam2Tracker(
        video_predictor("2.1"),
        whole=lambda same: same,
        tracks_at_once=3,
        name="several",
        dtype=torch.float32,
        kept=torch.float32,
    )
    keyframes = {name: keyframe_for("2.1", name, 0) for name in ("a point", "a box", "a mask")}
    one_by_one, _ = ours("2.1", 0, keyframes, reverse=False, until=9)
    together, _ = ours("2.1", 0, keyframes, reverse=False, until=9, model=several)
    for key, one in one_by_one.items():
        np.testing.assert_allclose(together[key].logits, one.logits, atol=1e-3)
        assert together[key].presence == pytest.approx(one.presence, abs=1e-3)


def test_track_memory_does_not_grow_with_the_video():
    keyframe = keyframe_for("2.1", "a mask", 0)
    sizes = []
    for until in (7, 16, COUNT):
        _, (track,) = ours("2.1", 0, {1: keyframe}, reverse=False, until=until)
        sizes.append(track.memory.nbytes)
    side = SIDE // 16
    features, pointer = 64 * side * side * 2, 256 * 4
    assert sizes == [6 * (features + pointer), 6 * features + 15 * pointer, sizes[1]]


def test_memories_of_two_keyframes_are_both_used():
    first, last = (keyframe_for("2.1", "a mask", index) for index in (0, 8))
    model, all_frames = tracker("2.1"), frames("2.1")
    (start,), (end,) = model.remember(all_frames[0], [first]), model.remember(all_frames[8], [last])
    ((alone, _),) = model.follow(all_frames[4], [Track((start,))])
    ((both, _),) = model.follow(all_frames[4], [Track((start, end))])
    assert np.abs(alone.logits - both.logits).max() > 1e-4


def test_a_candidate_that_is_not_the_best_is_remembered_as_a_mask():
    masks = [clicked("2.1", 0, Point(70, 40), Choice(index)) for index in range(3)]
    model, frame = tracker("2.1"), frames("2.1")[0]
    remembered = [model.remember(frame, [one])[0].outputs[0] for one in masks]
    given = model.remember(frame, [mask_keyframe(one.mask) for one in masks])
    equal = [
        torch.equal(one.pointer, other.outputs[0].pointer)
        for one, other in zip(remembered, given, strict=True)
    ]
    assert sorted(equal) == [False, True, True]


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_checkpoint_file_has_the_parts_for_videos(kind, tmp_path):
    weights = video_predictor(kind).state_dict()
    torch.save({"model": weights}, tmp_path / "whole.pt")
    model = load_file(tmp_path / "whole.pt", name=kind, device="cpu", image_size=SIDE)
    assert isinstance(model, TrackingPredictor)
    assert isinstance(model, Sam2Tracker)
    before = model.nbytes
    loaded = Sam2Tracker(
        model._model, whole=model._whole, name=kind, dtype=torch.float32, kept=torch.float32
    )
    keyframe = keyframe_for(kind, "a mask", 0)
    wanted, _ = ours(kind, 0, {1: keyframe}, reverse=False, until=4)
    found, _ = ours(kind, 0, {1: keyframe}, reverse=False, until=4, model=loaded)
    for key, one in wanted.items():
        np.testing.assert_allclose(
            found[key].logits, one.logits, atol=1e-4
        )  # another layout in memory
    video = sum(t.nbytes for n, t in weights.items() if n.split(".")[0] in VIDEO_ONLY)
    assert loaded.nbytes - before == video
    held = [t for m in loaded._model.modules() for t in vars(m).values() if torch.is_tensor(t)]
    assert not any(tensor.is_meta for tensor in held)


def test_a_checkpoint_for_images_only_does_not_track(tmp_path):
    weights = video_predictor("2.1").state_dict()
    images = {n: t for n, t in weights.items() if n.split(".")[0] not in VIDEO_ONLY}
    torch.save({"model": images}, tmp_path / "images.pt")
    model = load_file(tmp_path / "images.pt", name="images", device="cpu", image_size=SIDE)
    assert not isinstance(model, TrackingPredictor)


def test_a_changed_or_unsuitable_checkpoint_is_refused(tmp_path):
    weights = dict(video_predictor("2.1").state_dict())
    del weights["memory_encoder.out_proj.bias"]
    path = tmp_path / "whole.pt"
    torch.save({"model": weights}, path)
    model: Any = load_file(path, name="tiny", device="cpu", image_size=SIDE)
    frame = Frame(0, 2, frames("2.1")[0].rgb, lambda: model.embed(frames("2.1")[0].rgb))
    with pytest.raises(CheckpointError, match=r"can segment images, but not track.*out_proj"):
        model.remember(frame, [mask_keyframe(ELLIPSE)])
    torch.save({"model": video_predictor("2.1").state_dict()}, path)
    with pytest.raises(CheckpointError, match="has been changed"):
        model.remember(frame, [mask_keyframe(ELLIPSE)])


def test_embeddings_are_those_of_the_model_for_images():
    options = {"name": "one", "dtype": torch.float32, "checkpoint": "abc"}
    model = video_predictor("2.1")
    images, videos = Sam2Predictor(model, **options), Sam2Tracker(model, whole=None, **options)
    assert images.identity == videos.identity


def test_half_precision_tracks_nearly_the_same_masks():
    half = Sam2Tracker(
        video_predictor("2.1"), whole=lambda same: same, name="half", dtype=torch.bfloat16
    )
    keyframe = keyframe_for("2.1", "a mask", 0)
    exact, _ = ours("2.1", 0, {1: keyframe}, reverse=False, until=4)
    found, _ = ours("2.1", 0, {1: keyframe}, reverse=False, until=4, model=half)
    for key, one in exact.items():
        assert np.mean((found[key].logits > 0) == (one.logits > 0)) > 0.97


def film(kind):
    return np.stack([frame.rgb for frame in frames(kind)])


def test_track_gives_the_masks_of_sam2s_own_video_predictor():
    low = theirs("2.1", 0, {1: PROMPTS["a box"][1]}, reverse=False)
    found = list(track(film("2.1"), {0: [Box(40, 20, 100, 60)]}, model=tracker("2.1")))
    assert len(found) == COUNT
    for index, result in enumerate(found[1:], 1):
        wanted = np.zeros((HEIGHT, WIDTH), bool)
        upsample(quantise(np.clip(low[1, index], -32, 32)), HEIGHT, WIDTH).paste(wanted, 1)
        mask = result.masks[0] if result.ids else np.zeros_like(wanted)
        assert np.mean(mask == wanted) > 0.999


def test_stopping_and_resuming_gives_the_masks_of_one_run():
    keyframes = {index: KeyframeMark(str(index)) for index in (2, 9)}
    images = film("2.1")

    def propagation(unfinished=None):
        return Propagation(
            stretches(1, keyframes, range(12)),
            tracker("2.1"),
            count=COUNT,
            read=images.__getitem__,
            keyframe=lambda _, frame: keyframe_for("2.1", "a mask", frame.index),
            unfinished=unfinished,
        )

    whole = {one.index: one.mask.data for one in propagation() if one.final}
    unfinished, parts = {}, {}
    for stop in (1, 5, 9, None):
        parts |= {o.index: o.mask.data for o in islice(propagation(unfinished), stop) if o.final}
    assert parts == whole
    assert len(whole) == 10
