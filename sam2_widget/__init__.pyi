# Read by type checkers, and by `__init__.py`.
from .annotation.provenance import Provenance
from .annotation.status import Status
from .autosave.saved import SavedPrompts
from .config import Resources, configure
from .datasets.annotated_image import AnnotatedImage
from .datasets.annotations import StoredObject
from .datasets.image_set import ImageSet
from .datasets.precompute import precompute
from .datasets.progress import Progress
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
    LockedError,
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
from .export.tracks.formats import read_tracks, write_tracks
from .export.tracks.frames import LabeledFrame, LabeledFrames
from .export.values import LabeledMask, LabeledMasks
from .images.arrays import LoadedImage
from .images.sources import load_image
from .images.stacks import ImageStack
from .masks.settings import Settings
from .models.checkpoints import available_models, load_model
from .models.cluster.connecting import ray_model
from .models.embeddings.cache import embeddings
from .models.memory_use import Memory, ModelMemory, memory
from .models.precompute import Precomputed, prefetch
from .predictor import Candidates, Embedding, Predictor, PromptArrays
from .prompts.categories import Categories
from .prompts.collections import (
    Box,
    Choice,
    MaskPrompt,
    ObjectPrompts,
    Point,
    Prompts,
    Scribble,
    Stroke,
)
from .prompts.stacks import StackPrompts
from .proposals.filters import ProposalFilter
from .results.headless import segment
from .results.proposing import ProposedSegmentation, propose
from .results.segmentation import Segmentation, SegmentedObject
from .results.tracking import TrackedFrame, track
from .widget.segment_set import SegmentSet
from .widget.segment_widget import SegmentWidget

__all__ = [
    "AnnotatedImage",
    "AnnotationError",
    "Box",
    "Candidates",
    "Categories",
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
    "ImageSet",
    "ImageStack",
    "LabelError",
    "LabeledFrame",
    "LabeledFrames",
    "LabeledMask",
    "LabeledMasks",
    "LoadedImage",
    "LockedError",
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
    "Progress",
    "PromptArrays",
    "PromptError",
    "Prompts",
    "ProposalFilter",
    "ProposedSegmentation",
    "Provenance",
    "RepairWarning",
    "Resources",
    "SavedPrompts",
    "Scribble",
    "SegmentSet",
    "SegmentWidget",
    "Segmentation",
    "SegmentationError",
    "SegmentedObject",
    "SettingError",
    "Settings",
    "StackPrompts",
    "Status",
    "StoredObject",
    "Stroke",
    "TrackedFrame",
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
    "propose",
    "ray_model",
    "read_masks",
    "read_tracks",
    "segment",
    "track",
    "write_tracks",
]

__version__: str
