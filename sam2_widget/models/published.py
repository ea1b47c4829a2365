"""Published models: names on the hub, files, checksums, and input sizes."""

from __future__ import annotations

AUTHORS = "facebook/sam2"
"""Prefix of the hub ids of SAM 2's authors."""

HUB_IDS = {
    "tiny": "facebook/sam2.1-hiera-tiny",
    "small": "facebook/sam2.1-hiera-small",
    "base-plus": "facebook/sam2.1-hiera-base-plus",
    "large": "facebook/sam2.1-hiera-large",
    "edgetam": "yonigozlan/EdgeTAM-hf",
}

HUGGING_FACE_FILE = "model.safetensors"
CONFIG = "config.json"
"""Weights in the form of `transformers`, and what lies beside them."""

SHA256 = {
    "sam2_hiera_tiny.pt": "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
    "sam2_hiera_small.pt": "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
    "sam2_hiera_base_plus.pt": "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
    "sam2_hiera_large.pt": "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
    "sam2.1_hiera_tiny.pt": "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    "sam2.1_hiera_small.pt": "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    "sam2.1_hiera_base_plus.pt": "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    "sam2.1_hiera_large.pt": "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
}
"""SHA-256 of the files that SAM 2's authors have published, as several programs state them."""

IMAGE_SIZES = range(64, 2049, 32)
"""Supported sides of SAM 2's square input in pixels."""


def is_published(name: str) -> bool:
    """Whether a model has a name here, or was published by SAM 2's authors."""
    return name in HUB_IDS or name.startswith(AUTHORS)


def known_file(hub_id: str) -> str:
    """Name of the checkpoint in a repository of SAM 2's authors, or of one in `HUB_IDS`."""
    if not hub_id.startswith(AUTHORS):
        return HUGGING_FACE_FILE
    stem = hub_id.rsplit("/", maxsplit=1)[1].replace("-", "_")
    return f"{stem}.pt"
