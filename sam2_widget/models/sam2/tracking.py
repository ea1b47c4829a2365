"""Tracking by SAM 2: memory encoder, memory attention and object pointers of the package sam2.

`SAM2VideoPredictor` keeps all frames and all memories of a video. Here the caller keeps only what
the next frame needs: the memories of the keyframes, those of the last 6 frames, and the object
pointers of the last 15. Masks equal those of `SAM2VideoPredictor.propagate_in_video` for the same
prompts, except for its filling of small holes, which needs a CUDA extension.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from sam2.modeling.sam2_base import SAM2Base
from torch.nn import functional

from sam2_widget.models.base.predictor import LOGIT_LIMIT, Sam2Embedding, cast_layers
from sam2_widget.models.batches import in_batches
from sam2_widget.models.sam2.predictor import Sam2Predictor
from sam2_widget.predictor import (
    Decoding,
    Frame,
    Keyframe,
    Track,
    TrackedMask,
    TrackMemory,
)

HALF = 0.5
"""Share of a cell that must be inside a mask, for the cell to be inside."""

SamHeads: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Logits at low resolution (B, 1, h, w), object pointer (B, C), object score (B, 1)."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameOutput:
    """SAM 2's memory of an object on one frame.

    Attributes
    ----------
    index : int
        The frame.
    pointer : (1, C) Tensor
    features : (1, c, h, w) bfloat16 Tensor or None
        Output of the memory encoder; None where only the pointer is still used.
    """

    index: int
    pointer: torch.Tensor
    features: torch.Tensor | None

    @property
    def nbytes(self) -> int:
        """Memory of both in bytes."""
        tensors = [self.pointer, *([] if self.features is None else [self.features])]
        return sum(t.numel() * t.element_size() for t in tensors)

    def without_features(self) -> FrameOutput:
        """The pointer alone."""
        return FrameOutput(self.index, self.pointer, None)


@dataclass(frozen=True, slots=True, eq=False)
class Sam2TrackMemory:
    """SAM 2's memory of an object: of a keyframe, or of the last frames of a track.

    Attributes
    ----------
    outputs : tuple of FrameOutput
        The newest last.
    """

    outputs: tuple[FrameOutput, ...]

    @property
    def nbytes(self) -> int:
        """Memory of the tensors in bytes; shared tensors count for each memory."""
        return sum(output.nbytes for output in self.outputs)


class Sam2Tracker(Sam2Predictor):
    """SAM 2 for images and videos.

    The parts that only videos need are loaded when an object is tracked for the first time.

    Parameters
    ----------
    model : SAM2Base
        As for `Sam2Predictor`, with or without the parts for videos.
    whole : callable
        Returns `model` with these parts, in float32 on the CPU, in evaluation mode.
    tracks_at_once : int
        Objects in one run of the network; with another number than 1, masks may differ in the last
        bits from those of one object alone.
    **options
        As for `Sam2Predictor`.
    """

    def __init__(
        self,
        model: SAM2Base,
        *,
        whole: Callable[[SAM2Base], SAM2Base],
        tracks_at_once: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self._whole = whole
        self._is_whole = False
        self._tracks_at_once = tracks_at_once

    @property
    def _kind(self) -> str:
        return Sam2Predictor.__name__  # its embeddings are the same

    def remember(self, frame: Frame, keyframes: Sequence[Keyframe]) -> list[Sam2TrackMemory]:
        """Memories of objects that have prompts on `frame`.

        Raises
        ------
        DeviceError
            If the device has too little memory.
        CheckpointError
            If the parts for videos cannot be read, or do not fit.
        """
        embedding = self._own(frame.embedding)
        # A job for each, so that a click waits for one of them only.
        return [self._run(partial(self._remember, frame, embedding, one)) for one in keyframes]

    def follow(
        self, frame: Frame, tracks: Sequence[Track]
    ) -> list[tuple[TrackedMask, Sam2TrackMemory]]:
        """Masks of the objects on `frame`, and the updated memories; raises as `remember`."""
        embedding = self._own(frame.embedding)

        def answer(some: Sequence[Track]) -> list[tuple[TrackedMask, Sam2TrackMemory]]:
            return self._run(lambda: self._follow(frame, embedding, some))

        return in_batches(tracks, _structure, answer, size=self._tracks_at_once)

    def _load_whole(self) -> None:
        """Load the parts for videos, unless they are loaded."""
        if self._is_whole:
            return
        model = self._whole(self._model)
        if self._device.type == "cuda" and self._dtype != torch.float32:
            cast_layers(model, self._dtype)
        # The memory encoder gets the mask that the user sees, as in sam2's own predictor.
        model.binarize_mask_from_pts_for_mem_enc = True
        self._model = model.to(self._device)
        self._is_whole = True

    def _remember(
        self, frame: Frame, embedding: Sam2Embedding, keyframe: Keyframe
    ) -> Sam2TrackMemory:
        self._load_whole()
        repeated = keyframe.decoding and self._repeated(embedding, keyframe.decoding)
        logits, pointer, score = repeated or self._given(embedding, keyframe)
        # From low resolution, as sam2 does it where the user has clicked or given a mask.
        side = self.image_size
        masks = functional.interpolate(logits.float(), (side, side), mode="bilinear")
        plain = self._without_memory(embedding)
        features = self._encode_memory(plain, masks, score, is_keyframe=True)
        return Sam2TrackMemory((FrameOutput(frame.index, pointer, features),))

    def _repeated(self, embedding: Sam2Embedding, decoding: Decoding) -> SamHeads | None:
        """Repeat the decoder run that the mask comes from; None if it was not its best mask."""
        coords, labels = self._points(embedding, decoding.prompts)
        *high_res, features = self._maps(embedding)
        with self._autocast(on_cpu=False):
            _, _, scores, logits, _, pointer, score = self._model._forward_sam_heads(  # noqa: SLF001
                backbone_features=features,
                point_inputs={"point_coords": coords, "point_labels": labels},
                mask_inputs=self._mask_input(coords, labels, decoding.prompts),
                high_res_features=high_res,
                multimask_output=decoding.multimask,
            )
        if int(scores.argmax()) != decoding.choice:
            return None
        return logits, pointer, score

    def _given(self, embedding: Sam2Embedding, keyframe: Keyframe) -> SamHeads:
        """Outputs in place of the decoder's for a mask that is not from the decoder."""
        side = self.image_size
        mask = torch.tensor(keyframe.mask).to(self._device)[None, None].float()
        if mask.shape[-2:] != (side, side):
            scaled = functional.interpolate(
                mask, (side, side), mode="bilinear", align_corners=False, antialias=True
            )
            mask = (scaled >= HALF).float()
        *high_res, _ = self._maps(embedding)
        with self._autocast(on_cpu=False):
            _, _, _, logits, _, pointer, score = self._model._use_mask_as_output(  # noqa: SLF001
                self._without_memory(embedding), high_res, mask
            )
        return logits, pointer, score

    def _follow(
        self, frame: Frame, embedding: Sam2Embedding, tracks: Sequence[Track]
    ) -> list[tuple[TrackedMask, Sam2TrackMemory]]:
        """Track objects whose memories are of the same frames, in one run."""
        self._load_whole()
        count, model = len(tracks), self._model
        features = self._without_memory(embedding)
        high_res = [m.expand(count, -1, -1, -1) for m in self._maps(embedding)[:-1]]
        with self._autocast(on_cpu=False):
            _, _, scores, logits, masks, pointers, presence = model._forward_sam_heads(  # noqa: SLF001
                backbone_features=self._conditioned(frame, features, tracks),
                high_res_features=high_res,
                multimask_output=model._use_multimask(  # noqa: SLF001
                    is_init_cond_frame=False, point_inputs=None
                ),
            )
        memories = self._encode_memory(
            features.expand(count, -1, -1, -1), masks, presence, is_keyframe=False
        )
        found = logits[:, 0].clamp(-LOGIT_LIMIT, LOGIT_LIMIT).cpu().numpy()
        rated = zip(found, scores.float().amax(dim=-1).tolist(), presence.tolist(), strict=True)
        tracked = [TrackedMask(one, score, present[0]) for one, score, present in rated]
        parts = zip(torch.split(pointers, 1), torch.split(memories, 1), strict=True)
        outputs = [FrameOutput(frame.index, *part) for part in parts]
        extended = [self._extended(*pair) for pair in zip(tracks, outputs, strict=True)]
        return list(zip(tracked, extended, strict=True))

    def _conditioned(
        self, frame: Frame, features: torch.Tensor, tracks: Sequence[Track]
    ) -> torch.Tensor:
        """A frame's features after memory attention, (B, C, h, w)."""
        count = len(tracks)
        positions = self._model.image_encoder.neck.position_encoding(features).to(features.dtype)
        keyframes = [[_outputs(one)[-1] for one in track.keyframes] for track in tracks]
        recent = [_outputs(track.memory) for track in tracks]
        with self._autocast(on_cpu=True):
            found = self._model._prepare_memory_conditioned_features(  # noqa: SLF001
                frame_idx=frame.index,
                is_init_cond_frame=False,
                current_vision_feats=[_sequence(features).expand(-1, count, -1)],
                current_vision_pos_embeds=[_sequence(positions).expand(-1, count, -1)],
                feat_sizes=[tuple(features.shape[-2:])],
                output_dict={
                    "cond_frame_outputs": self._batch(keyframes),
                    "non_cond_frame_outputs": self._batch(recent),
                },
                num_frames=frame.count,
                track_in_reverse=tracks[0].reverse,
            )
        conditioned: torch.Tensor = found.to(features.dtype)
        return conditioned

    def _batch(self, outputs: Sequence[Sequence[FrameOutput]]) -> dict[int, dict[str, Any]]:
        """Outputs of several objects on the same frames, as sam2 keeps them."""
        batched = {}
        for same in zip(*outputs, strict=True):
            features = [one.features for one in same if one.features is not None]
            batched[same[0].index] = {
                "obj_ptr": torch.cat([one.pointer for one in same]),
                "maskmem_features": torch.cat(features) if features else None,
                "maskmem_pos_enc": [self._memory_positions(features)],
            }
        return batched

    def _memory_positions(self, features: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Positional encoding of features of the memory encoder, in its precision."""
        if not features:
            return None
        batch = features[0].expand(len(features), -1, -1, -1)
        encoded: torch.Tensor = self._model.memory_encoder.position_encoding(batch)
        return encoded.to(self._dtype)

    def _encode_memory(
        self, features: torch.Tensor, masks: torch.Tensor, score: torch.Tensor, *, is_keyframe: bool
    ) -> torch.Tensor:
        """Run the memory encoder on logits (B, 1, side, side): (B, c, h, w) bfloat16."""
        with self._autocast(on_cpu=True):
            encoded, _ = self._model._encode_new_memory(  # noqa: SLF001
                current_vision_feats=[_sequence(features)],
                feat_sizes=[tuple(features.shape[-2:])],
                pred_masks_high_res=masks,
                object_score_logits=score,
                is_mask_from_pts=is_keyframe,
            )
        kept: torch.Tensor = encoded.to(torch.bfloat16)  # as sam2 keeps it
        return kept

    def _without_memory(self, embedding: Sam2Embedding) -> torch.Tensor:
        """The features, (1, C, h, w), without the embedding that SAM 2 adds without memory."""
        features = self._maps(embedding)[-1]
        if not self._model.directly_add_no_mem_embed:
            return features
        kept = embedding.maps[-1].to(self._device, torch.float32)
        added: torch.Tensor = self._model.no_mem_embed.float().reshape(1, -1, 1, 1)
        return (kept - added).to(features.dtype, memory_format=torch.channels_last)

    def _extended(self, track: Track, output: FrameOutput) -> Sam2TrackMemory:
        """The memory of a track after one more frame, reduced to what the next frames need."""
        model = self._model
        with_features = (model.num_maskmem - 1) * model.memory_temporal_stride_for_eval
        most = max(model.max_obj_ptrs_in_encoder - 1, with_features)
        outputs = (*_outputs(track.memory), output)[-most:]
        pointers_only = [one.without_features() for one in outputs[:-with_features]]
        return Sam2TrackMemory((*pointers_only, *outputs[-with_features:]))


def _outputs(memory: TrackMemory | None) -> tuple[FrameOutput, ...]:
    if memory is None:
        return ()
    if not isinstance(memory, Sam2TrackMemory):
        raise TypeError(f"a track must hold what remember() or follow() returned, got {memory!r}")
    return memory.outputs


def _structure(track: Track) -> Hashable:
    """Key that is equal for tracks that can share a run: the frames in their memory."""
    keyframes = tuple(_outputs(one)[-1].index for one in track.keyframes)
    return track.reverse, keyframes, tuple(one.index for one in _outputs(track.memory))


def _sequence(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) → (h * w, B, C)."""
    return maps.flatten(2).permute(2, 0, 1)
