# Read by type checkers, and by `__init__.py`.
from .ahead import Precomputed, precompute, prefetch
from .errors import (
    AnnotationError,
    CheckpointError,
    ClosedError,
    ClusterError,
    DeviceError,
    DownloadError,
    ExistsError,
    ExportError,
    ImageError,
    LabelError,
    LossWarning,
    MessageError,
    MissingLibraryError,
    ModelError,
    OutOfMemoryError,
    PromptError,
    RepairWarning,
    SegmentationError,
    SettingError,
    UnknownModelError,
)
from .export.read import read_masks
from .export.values import LabeledMask, LabeledMasks
from .headless import segment
from .images.arrays import LoadedImage
from .images.sources import load_image
from .images.stacks import ImageStack
from .memory_use import Memory, ModelMemory, memory
from .models.cache import embeddings
from .models.checkpoints import available_models, load_model
from .models.ray_predictor import ray_model
from .predictor import Candidates, Embedding, Predictor, PromptArrays
from .prompts import (
    Box,
    Choice,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
    Scribble,
    Stroke,
)
from .provenance import Provenance
from .resources import Resources, configure
from .results import Segmentation, SegmentedObject
from .settings import Settings
from .stack_prompts import StackPrompts
from .status import Status
from .widget import SegmentWidget

__all__ = [
    "AnnotationError",
    "Box",
    "Candidates",
    "CheckpointError",
    "Choice",
    "ClosedError",
    "ClusterError",
    "DeviceError",
    "DownloadError",
    "Embedding",
    "ExistsError",
    "ExportError",
    "ImageError",
    "ImageStack",
    "LabelError",
    "LabeledMask",
    "LabeledMasks",
    "LoadedImage",
    "LossWarning",
    "MaskPrompt",
    "Memory",
    "MessageError",
    "MissingLibraryError",
    "ModelError",
    "ModelMemory",
    "ObjectPrompts",
    "OutOfMemoryError",
    "Point",
    "Precomputed",
    "Predictor",
    "PromptArrays",
    "PromptError",
    "Prompts",
    "Provenance",
    "RepairWarning",
    "Resources",
    "Scribble",
    "SegmentWidget",
    "Segmentation",
    "SegmentationError",
    "SegmentedObject",
    "SettingError",
    "Settings",
    "StackPrompts",
    "Status",
    "Stroke",
    "UnknownModelError",
    "__version__",
    "available_models",
    "configure",
    "embeddings",
    "load_image",
    "load_model",
    "memory",
    "precompute",
    "prefetch",
    "ray_model",
    "read_masks",
    "segment",
]

__version__: str
