"""Finds SAM 2's weights in training checkpoints, with their wrappers and prefixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from sam2_widget.models.published import IMAGE_SIZES

STEMS = ("image_encoder.trunk.patch_embed.proj.weight", "image_encoder.trunk.stem.weight")
"""A weight of every SAM 2, and one of every compact model."""

WRAPPER_COMPONENTS = frozenset(
    {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
)
"""Components that DataParallel, ``torch.compile``, FSDP and checkpointing add to names."""

PREFERRED = (
    "",
    "model",
    "state_dict",
    "model_state_dict",
    "model_state",
    "net",
    "network",
    "weights",
    "params",
    "sam2",
    "sam",
)
"""Order of preference among several models in a file, by the last component of their place."""

SIZE_NAMES = ("image_size", "img_size", "input_size", "resolution")
"""Names of the input size in training scripts; the first that a file contains is used."""

_DEPTH = 8
_MOST_NODES = 20_000


class Inert:
    """Replaces an object beside the weights: accepts any arguments and does nothing."""

    # Not in __init__, which unpickling need not call.
    state: object = None

    def __new__(cls, *_: object, **__: object) -> Inert:  # noqa: D102, PYI034 - takes anything
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """Weights by SAM 2's own names, the input size if it is stated, and a note for the user."""

    weights: Mapping[str, torch.Tensor]
    image_size: int | None
    note: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A model in a file: its place, and its weights."""

    place: str
    weights: Mapping[str, torch.Tensor]


def find(content: object) -> FoundWeights:
    """Find the weights of a model in the content of a checkpoint.

    If there is no SAM 2, any weights are returned, which the caller checks.

    Raises
    ------
    ValueError
        If there are no named weights, or several models and no way to choose.
    """
    nodes = list(islice(_nodes(content), _MOST_NODES))
    candidates = [one for place, node in nodes for one in _candidates(place, node)]
    if not candidates:
        return FoundWeights(_any_weights(nodes), None, "")
    chosen = _chosen(candidates)
    several = len(candidates) > 1
    note = f"Of several models in the checkpoint {chosen.place!r} is used." if several else ""
    return FoundWeights(chosen.weights, _image_size(nodes), note)


def _nodes(content: object) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """All dicts in `content` with their places, the outer ones first."""
    level: list[tuple[str, object]] = [("", content)]
    seen: set[int] = set()
    for _ in range(_DEPTH):
        following: list[tuple[str, object]] = []
        for place, value in level:
            # An attribute of a wrapped object is a dict in a dict.
            node = value.state if isinstance(value, Inert) else value
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            yield place, node
            following += [(f"{place}.{k}".lstrip("."), v) for k, v in node.items() if _inner(v)]
        level = following


def _inner(value: object) -> bool:
    return isinstance(value, (dict, Inert))


def _candidates(place: str, node: Mapping[Any, Any]) -> Iterator[_Candidate]:
    """The models in one dict: one for each prefix before the name of a stem."""
    named = _without_wrappers(node)
    prefixes = [name.removesuffix(s) for name in named for s in STEMS if _is_stem(name, s)]
    for prefix in dict.fromkeys(prefixes):
        inner = {n[len(prefix) :]: t for n, t in named.items() if n.startswith(prefix)}
        yield _Candidate(f"{place}.{prefix}".strip("."), inner)


def _is_stem(name: str, stem: str) -> bool:
    return name == stem or name.endswith(f".{stem}")


def _without_wrappers(node: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a dict, with the components of wrappers removed from their names."""
    found: dict[str, torch.Tensor] = {}
    for name, value in node.items():
        if isinstance(name, str) and isinstance(value, torch.Tensor):
            clean = ".".join(c for c in name.split(".") if c not in WRAPPER_COMPONENTS)
            if clean in found:
                raise ValueError(f"holds two weights {clean!r}, with and without a wrapper's name")
            found[clean] = value
    return found


def _chosen(candidates: list[_Candidate]) -> _Candidate:
    if len(candidates) == 1:
        return candidates[0]
    ranked = {one.place: _rank(one.place) for one in candidates}
    best = min(ranked.values())
    chosen = [one for one in candidates if ranked[one.place] == best]
    if best == len(PREFERRED) or len(chosen) > 1:
        places = ", ".join(repr(one.place) for one in candidates[:5])
        raise ValueError(
            f"holds several models ({places}): save the one that you want, "
            "torch.save(model.state_dict(), path), and pass that file"
        )
    return chosen[0]


def _rank(place: str) -> int:
    last = place.rsplit(".", maxsplit=1)[-1]
    return PREFERRED.index(last) if last in PREFERRED else len(PREFERRED)


def _any_weights(nodes: list[tuple[str, Mapping[Any, Any]]]) -> Mapping[str, torch.Tensor]:
    """The tensors of the outermost dict that contains any."""
    found = next((named for _, node in nodes if (named := _without_wrappers(node))), None)
    if found is None:
        raise ValueError("holds no named weights: pass a checkpoint of SAM 2")
    return found


def _image_size(nodes: list[tuple[str, Mapping[Any, Any]]]) -> int | None:
    """The input size in pixels that a file states."""
    for name in SIZE_NAMES:
        for _, node in nodes:
            found = _as_side(node.get(name)) if name in node else None
            if found is not None:
                return found
    return None


def _as_side(value: object) -> int | None:
    """A side of a square in pixels: a number, its text, or the same number twice; else None."""
    if isinstance(value, Inert):
        value = value.state.get("_val") if isinstance(value.state, dict) else None  # OmegaConf's
    if isinstance(value, (list, tuple)) and value and len(set(map(repr, value[-2:]))) == 1:
        value = value[-1]
    if isinstance(value, str) and value.isdecimal() and len(value) < 6:  # noqa: PLR2004
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in IMAGE_SIZES:
        return value
    return None


_OTHER_MODELS = (
    (
        "vision_encoder.",
        "holds weights for Hugging Face transformers: pass the .pt file for the sam2 package",
    ),
    (
        "image_encoder.pos_embed",
        "holds the first Segment Anything (SAM 1), which is another network: pass one of SAM 2",
    ),
    (
        "lora_",
        "holds LoRA adapters: merge them into the model they were trained on, and save that",
    ),
    (
        "sam_mask_decoder.",
        "holds a part of SAM 2 without the image encoder: pass a checkpoint of the whole model",
    ),
    (
        "trunk.patch_embed.",
        "holds the image encoder of SAM 2 alone: pass a checkpoint of the whole model",
    ),
)


def other_model(weights: Mapping[str, torch.Tensor]) -> str:
    """Describe weights of another known model in one sentence; empty if unknown."""
    return next((s for part, s in _OTHER_MODELS if any(part in name for name in weights)), "")
