import pytest
import torch
from sam2.build_sam import build_sam2

torch.set_num_threads(1)


def random_sam2(config):
    """The true architecture with seeded random weights, on the CPU."""
    torch.manual_seed(0)
    return build_sam2(config, device="cpu")


@pytest.fixture(scope="session")
def tiny():
    return random_sam2("configs/sam2.1/sam2.1_hiera_t.yaml")


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny, tmp_path_factory):
    """What the hub serves, with random weights."""
    path = tmp_path_factory.mktemp("checkpoints") / "sam2.1_hiera_tiny.pt"
    torch.save({"model": tiny.state_dict()}, path)
    return path
