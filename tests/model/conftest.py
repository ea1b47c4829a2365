import pytest
import torch
from sam2.build_sam import build_sam2

from benchmarks.cpu_backends import seeded_edgetam

torch.set_num_threads(1)


def random_sam2(config):
    """The real architecture with seeded random weights, on the CPU."""
    torch.manual_seed(0)
    return build_sam2(config, device="cpu")


@pytest.fixture(scope="session")
def tiny():
    return random_sam2("configs/sam2.1/sam2.1_hiera_t.yaml")


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny, tmp_path_factory):
    """A checkpoint as served by the hub, with random weights."""
    path = tmp_path_factory.mktemp("checkpoints") / "sam2.1_hiera_tiny.pt"
    torch.save({"model": tiny.state_dict()}, path)
    return path


@pytest.fixture(scope="session")
def edgetam():
    """The real architecture with seeded random weights, on the CPU."""
    model = seeded_edgetam()
    # With the weights that it draws, neither the image nor a prompt changes the answer by more than
    # rounding. Batch normalisation takes its statistics from one image.
    for part in (model.prompt_encoder, model.mask_decoder, model.vision_encoder.neck):
        for weight in part.parameters():
            if weight.ndim > 1:
                torch.nn.init.kaiming_normal_(weight, nonlinearity="linear")
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    model.train()
    model.get_image_embeddings(torch.randn(1, 3, 1024, 1024))
    return model.eval()


@pytest.fixture(scope="session")
def edgetam_folder(edgetam, tmp_path_factory):
    """Its weights and configuration, written by `save_pretrained`."""
    folder = tmp_path_factory.mktemp("edgetam")
    edgetam.save_pretrained(folder)
    return folder
