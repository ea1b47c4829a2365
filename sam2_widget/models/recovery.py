"""Recovery from out-of-memory errors by these steps, in this order, each shown to the user.

1. Cached embeddings and models that are not in use are moved off the device, and the allocator's
   cache is emptied. The job is repeated and gives the same result, bit by bit.
2. The model is used in half precision, unless that is the default.
3. A smaller model is used, if that is allowed and it is on this machine (`config.configure`).
4. The CPU is used.

After the last step an error is raised. Existing masks stay: they need no model.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar
from weakref import WeakKeyDictionary

from sam2_widget import config
from sam2_widget.errors import OutOfMemoryError
from sam2_widget.models import checkpoints, worker
from sam2_widget.models.checkpoints import Checkpoint
from sam2_widget.models.embeddings.cache import embeddings
from sam2_widget.models.out_of_memory import is_out_of_memory
from sam2_widget.predictor import Predictor, RemotePredictor

logger = logging.getLogger(__name__)

T = TypeVar("T")

BY_SIZE = ("large", "base-plus", "small", "tiny", "bundled")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is loaded.

    Attributes
    ----------
    checkpoint : Checkpoint or None
    device : str or None
        None for the best available.
    half : bool
        Whether its weights are in half precision.
    given : Predictor or None
        A predictor that the user passed instead of a name; it cannot be loaded differently.
    was_auto : bool
        Whether the user passed ``"auto"``.
    """

    checkpoint: Checkpoint | None = None
    device: str | None = None
    half: bool = False
    given: Predictor | None = None
    was_auto: bool = False

    def load(self) -> Predictor:
        """Load the model, once per kernel."""
        if self.given is not None:
            if not isinstance(self.given, RemotePredictor):
                worker.check_process()
            return self.given
        assert self.checkpoint is not None  # noqa: S101 - for the type checker
        found = checkpoints.load_checkpoint(self.checkpoint, device=self.device, half=self.half)
        _plans[found] = self
        return found

    @property
    def place(self) -> str:
        """Name of the device in messages."""
        return self.given.device if self.given else checkpoints.resolve_device(self.device)


_plans: WeakKeyDictionary[Predictor, Plan] = WeakKeyDictionary()


def plan_of(model: Predictor) -> Plan:
    """The plan by which a model was loaded; a plan with `given` for any other predictor."""
    return _plans.get(model, Plan(given=model))


def attempt(plan: Plan, job: Callable[[Plan], T], *, report: Callable[[str], None]) -> T:
    """Run `job` with `plan`, and if memory runs out, with the plan of each further step.

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
        message = f"{place} is out of memory: {what}"
        logger.info(message)  # shown to the user by `report`, so it is no warning
        report(message)
        make_room(place, changed)
        done, found = _tried(job, changed)
        if done:
            return found[0]
    raise OutOfMemoryError(
        f"there is too little memory on {place}, also after {', '.join(tried)}: {_advice(plan)}"
    )


def _advice(plan: Plan) -> str:
    """Advice for the user when no step has helped."""
    if plan.given is None:
        return "close other notebooks, or use a smaller model"
    return (
        f"close other notebooks, or pass a smaller model. {plan.given.name!r} was passed as an "
        "object, and no other is put in its place: of one that is passed by its name half "
        "precision and the CPU are tried, too"
    )


def _tried(job: Callable[[Plan], T], plan: Plan) -> tuple[bool, list[T]]:
    """Run the job; returns whether memory sufficed, and the result."""
    try:
        return True, [job(plan)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    # Outside the handler the error is freed, and with it the tensors of its traceback.
    return False, []


def steps(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """The plans to be tried, with a description of each for the user."""
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
    allowed = config.current().smaller_model
    name = plan.checkpoint.name
    if (plan.was_auto if allowed is None else allowed) and name in BY_SIZE:
        for smaller in BY_SIZE[BY_SIZE.index(name) + 1 :]:
            found = checkpoints.on_this_machine(smaller)
            if found is not None:
                yield found


def make_room(device: str, plan: Plan | None = None) -> None:
    """Free all memory of a device that can be restored, except the model of `plan`."""
    worker.local.run(lambda: _make_room(device, plan))


def _make_room(device: str, plan: Plan | None) -> None:
    if device == "cpu":
        embeddings.clear()
    else:
        embeddings.release_device(device)
        for model in checkpoints.loaded_models():
            if model.device == device and hasattr(model, "offload") and plan_of(model) != plan:
                model.offload()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
