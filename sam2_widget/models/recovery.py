"""What is done when memory runs out: this, in this order, and each step is told to the user.

1. Cached embeddings leave the device, models that are not at work leave it, too, and the
   allocator's cache is emptied. Then the same again, with the same answer to the bit.
2. The model in half precision, where it is not so by default.
3. A smaller model, if that is allowed and it is on this machine (`resources.configure`).
4. The CPU.

After the last the user is told that there is too little memory. Masks that there are stay through
all of it: they need no model.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar
from weakref import WeakKeyDictionary

from sam2_widget import resources
from sam2_widget.errors import ClusterError, OutOfMemoryError
from sam2_widget.models import checkpoints, worker
from sam2_widget.models.cache import embeddings
from sam2_widget.models.checkpoints import Checkpoint
from sam2_widget.predictor import Predictor

logger = logging.getLogger(__name__)

T = TypeVar("T")

BY_SIZE = ("large", "base-plus", "small", "tiny", "bundled")

_SAYINGS = (
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "bad_alloc",
)
"""How torch and its libraries say it where they have no exception for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which model is used, and how.

    Attributes
    ----------
    checkpoint : Checkpoint or None
    device : str or None
        None for the best there is.
    half : bool
        Whether its weights are in half precision.
    given : Predictor or None
        Instead of a checkpoint: what the user passed, of which nobody knows where to get another.
    was_auto : bool
        Whether the user left it to us which model it is.
    """

    checkpoint: Checkpoint | None = None
    device: str | None = None
    half: bool = False
    given: Predictor | None = None
    was_auto: bool = False

    def load(self) -> Predictor:
        """The model; loaded once per kernel."""
        if self.given is not None:
            return self.given
        assert self.checkpoint is not None  # noqa: S101 - for the type checker
        found = checkpoints.load_checkpoint(self.checkpoint, device=self.device, half=self.half)
        _plans[found] = self
        return found

    @property
    def place(self) -> str:
        """Where it computes."""
        return self.given.device if self.given else checkpoints.resolve_device(self.device)


_plans: WeakKeyDictionary[Predictor, Plan] = WeakKeyDictionary()


def plan_of(model: Predictor) -> Plan:
    """How `model` was had, if it was by a plan; else it is taken as given."""
    return _plans.get(model, Plan(given=model))


def attempt(plan: Plan, job: Callable[[Plan], T], *, tell: Callable[[str], None]) -> T:
    """Do `job` by `plan`, and if memory runs out, by what each step makes of it.

    Raises
    ------
    OutOfMemoryError
        If no step helps.
    """
    done, found = _tried(job, plan)
    if done:
        return found[0]
    place, tried = plan.place, []
    for what, changed in steps(plan):
        tried.append(what)
        said = f"{place} is out of memory: {what}"
        logger.info(said)  # told, so no warning
        tell(said)
        make_room(place)
        done, found = _tried(job, changed)
        if done:
            return found[0]
    raise OutOfMemoryError(
        f"there is too little memory on {place}, also after {', '.join(tried)}: {_way_out(plan)}"
    )


def _way_out(plan: Plan) -> str:
    """What the user can do where nothing helps."""
    if plan.given is None:
        return "close other notebooks, or use a smaller model"
    return (
        f"close other notebooks, or pass a smaller model. {plan.given.name!r} was passed as an "
        "object, and no other is put in its place: of one that is passed by its name half "
        "precision and the CPU are tried, too"
    )


def _tried(job: Callable[[Plan], T], plan: Plan) -> tuple[bool, list[T]]:
    """Whether memory sufficed, and the result."""
    try:
        return True, [job(plan)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    # Out here the error is gone, and with it the tensors that its traceback held.
    return False, []


def steps(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """What is tried, with the words for it."""
    yield "making room and trying again", plan
    if plan.checkpoint is None:
        return
    name = plan.checkpoint.name
    if not plan.half and name != "bundled" and not checkpoints.is_half(plan.place):
        yield f"using {name} in half precision", replace(plan, half=True)
    for smaller in _smaller(plan):
        yield f"using the model {smaller.name}", replace(plan, checkpoint=smaller, half=False)
    if plan.place != "cpu":
        yield "using the CPU, which is slower", replace(plan, device="cpu", half=False)


def _smaller(plan: Plan) -> Iterator[Checkpoint]:
    assert plan.checkpoint is not None  # noqa: S101
    allowed = resources.current().smaller_model
    name = plan.checkpoint.name
    if (plan.was_auto if allowed is None else allowed) and name in BY_SIZE:
        for smaller in BY_SIZE[BY_SIZE.index(name) + 1 :]:
            found = checkpoints.on_this_machine(smaller)
            if found is not None:
                yield found


def make_room(device: str) -> None:
    """Free what can be had again."""
    worker.local.run(lambda: _make_room(device))


def _make_room(device: str) -> None:
    if device == "cpu":
        embeddings.clear()
    else:
        embeddings.release_device(device)
        for model in checkpoints.loaded_models():
            if model.device == device and hasattr(model, "rest"):
                model.rest()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out."""
    if isinstance(error, ClusterError):
        return False  # not of this machine: nothing that is freed here helps there
    if isinstance(error, (MemoryError, OutOfMemoryError)):
        return True
    # Without importing torch, which may be what failed.
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, (RuntimeError, OSError)) and any(said in text for said in _SAYINGS)
