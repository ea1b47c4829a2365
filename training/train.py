"""The training loop.

``python -m training.train RUN --data SETS --weights WEIGHTS`` starts a run in the folder RUN
or goes on from the last checkpoint there. Everything random follows from the seed and the numbers
of the step and of the process, so that a run that was cut off gives the same weights as one that
was not. With ``torchrun --nproc-per-node 2 -m training.train ...`` two processes train, each on
images of its own; the log has the losses of the first.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from training import parallel
from training.datasets import Library
from training.dialogue import Dialogues, encode
from training.export import export
from training.loss import Targets, mask_iou, round_loss, shares
from training.model import parameter_groups, set_image_size, starting_model, to_input
from training.scenes import draw_sample

if TYPE_CHECKING:
    from numpy.random import Generator
    from sam2.modeling.sam2_base import SAM2Base
    from torch import Tensor

    from training.scenes import Sample

WARM_UP = 100
AVERAGE_DECAY = 0.998
CLIP = 1.0
SILENT_ROUNDS = (0, 0, 1, 1, 2, 3, 5, 8)
"""How many corrections go by between the two rounds that are trained on."""
ALL_PROCESSES = 2**31
"""Takes the place of a process's number in the seed of what is the same for all of them."""


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own learning rates."""

    steps: int
    rate: float
    """Learning rate at the start."""
    decay: float
    """What the learning rate is multiplied by at the end."""
    trunk_rate: float = 0.0
    """The trunk's learning rate as a share of the others'; 0 freezes it."""
    images: int = 8
    """Images of a step, in each process."""
    prompts: int = 6
    """Prompts for each image."""
    image_size: int = 256
    corrections: bool = True
    """Whether a second round is trained on, after some corrections."""


PLAN = (
    Stage(2079, 5e-4, 0.01, trunk_rate=0.4, prompts=4),
    Stage(2063, 4e-4, 0.01, trunk_rate=0.4, prompts=4),
)


@dataclass
class Run:
    """All that a checkpoint holds."""

    model: SAM2Base
    average: SAM2Base
    optimizer: torch.optim.AdamW
    step: int = 0

    def save(self, folder: Path) -> None:
        """Write the checkpoint, never leaving half a file, and the averaged weights as shipped."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        partial = folder / "checkpoint.part"
        torch.save(state, partial)
        partial.rename(folder / "checkpoint.pt")
        made_by = f"{folder.name}, step {self.step}"
        export(state["average"], folder / "latest.safetensors", image_size=256, made_by=made_by)

    def enter(self, stage: Stage, step: int) -> None:
        """Get ready for a step of a stage; before its first, take over the averaged weights."""
        if step == 0:
            self.model.load_state_dict(self.average.state_dict())
            self.optimizer = make_optimizer(self.model, stage)
        set_image_size(self.model, stage.image_size)
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(stage, step)

    def update_average(self) -> None:
        """Move the averaged weights towards the present ones; quickly while the run is young."""
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
        for average, parameter in pairs:
            average.data.lerp_(parameter.data, 1 - decay)


def stage_of(step: int, plan: tuple[Stage, ...]) -> tuple[Stage, int]:
    """Return the stage that a step belongs to and the step's number in it."""
    for stage in plan:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise IndexError(f"the plan has no step {step} more")


def learning_rate(stage: Stage, step: int) -> float:
    """Return the learning rate: a short rise, then half a cosine down to the stage's end."""
    rise = min(1.0, (step + 1) / WARM_UP)
    fall = 0.5 * (1 + math.cos(math.pi * step / stage.steps))
    return stage.rate * rise * (stage.decay + (1 - stage.decay) * fall)


def make_optimizer(model: SAM2Base, stage: Stage) -> torch.optim.AdamW:
    """Return the optimizer of a stage."""
    return torch.optim.AdamW(parameter_groups(model, stage.trunk_rate), weight_decay=0.01)


def make_dialogues(samples: list[Sample], rng: Generator) -> Dialogues:
    """Return the simulated users of a batch, those of an image side by side."""
    targets = np.concatenate([sample.targets for sample in samples])
    void = np.concatenate([np.repeat(s.void[None], len(s.targets), 0) for s in samples])
    return Dialogues(targets, void, rng)


def train_step(
    run: Run, stage: Stage, samples: list[Sample], silent_rounds: int, rng: Generator
) -> dict[str, float]:
    """Train on one batch: the first round, some silent corrections, and one more round."""
    encoded = encode(run.model, to_input(np.stack([sample.image for sample in samples])))
    # The gradients of both rounds go through the encoder at once.
    features = [feature.detach().requires_grad_() for feature in encoded]
    dialogues = make_dialogues(samples, rng)
    targets = Targets(
        shares(torch.from_numpy(dialogues.targets)), shares(torch.from_numpy(~dialogues.void))
    )
    loss, first_iou = _trained_round(run.model, dialogues, features, targets)
    found = {"loss": loss.item(), "iou": first_iou}
    if stage.corrections:
        _silent_rounds(run.model, dialogues, features, silent_rounds)
        last_loss, last_iou = _trained_round(run.model, dialogues, features, targets)
        found |= {"last_loss": last_loss.item(), "last_iou": last_iou}
        loss = loss + last_loss
    run.optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.autograd.backward(encoded, [feature.grad for feature in features])
    _apply(run)
    return found


@torch.no_grad()
def _silent_rounds(
    model: SAM2Base, dialogues: Dialogues, features: list[Tensor], rounds: int
) -> None:
    """Let the users correct a number of times, and once more without an answer yet."""
    for _ in range(rounds):
        dialogues.correct()
        dialogues.ask_quickly(model, features)
    dialogues.correct()


def _trained_round(
    model: SAM2Base, dialogues: Dialogues, features: list[Tensor], targets: Targets
) -> tuple[Tensor, float]:
    """Ask once and return the loss and the mean IoU of what a user would have been shown."""
    ambiguous = torch.from_numpy(dialogues.ambiguous)
    logits, scores = dialogues.ask(model, features)
    loss = round_loss(logits, scores, targets, dialogues.tensors(), ambiguous)
    dialogues.take(logits, scores)
    shown = dialogues.previous
    assert shown is not None  # noqa: S101
    return loss, mask_iou(shown[:, None], targets).mean().item()


def _apply(run: Run) -> None:
    parallel.average_gradients(run.optimizer)
    for group in run.optimizer.param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], CLIP)
    run.optimizer.step()


def start(folder: Path, plan: tuple[Stage, ...], weights: Path | None, seed: int) -> Run:
    """Return the run as its last checkpoint left it, or a new one.

    A new one starts from ``weights``, see `starting_model`.
    """
    torch.manual_seed(seed)
    model = starting_model(plan[0].image_size, weights)
    average = copy.deepcopy(model)
    file = folder / "checkpoint.pt"
    if not file.exists():
        return Run(model, average, make_optimizer(model, plan[0]))
    saved = torch.load(file, weights_only=True)
    model.load_state_dict(saved["model"])
    average.load_state_dict(saved["average"])
    optimizer = make_optimizer(model, stage_of(max(0, saved["step"] - 1), plan)[0])
    optimizer.load_state_dict(saved["optimizer"])
    return Run(model, average, optimizer, saved["step"])


def train(
    run: Run,
    folder: Path,
    library: Library,
    plan: tuple[Stage, ...],
    *,
    seed: int,
    minutes: float,
    until: int | None = None,
) -> None:
    """Train to the plan's end or ``until`` a step, with a checkpoint every so many minutes."""
    saved_at = time.monotonic()
    last = sum(stage.steps for stage in plan) if until is None else until
    while run.step < last:
        began = time.monotonic()
        stage, step = stage_of(run.step, plan)
        rng = np.random.default_rng([seed, run.step, parallel.rank()])
        run.enter(stage, step)
        size, prompts = stage.image_size, stage.prompts
        samples = [draw_sample(library, size, prompts, rng) for _ in range(stage.images)]
        # As many in all processes, so that none waits for another.
        silent = int(np.random.default_rng([seed, run.step, ALL_PROCESSES]).choice(SILENT_ROUNDS))
        found = train_step(run, stage, samples, silent, rng)
        run.step += 1
        run.update_average()
        if parallel.rank():
            continue
        _log(folder, {"step": run.step, **found, "seconds": time.monotonic() - began})
        if time.monotonic() - saved_at > 60 * minutes or run.step == last:
            run.save(folder)
            saved_at = time.monotonic()


def _log(folder: Path, entry: dict[str, float]) -> None:
    line = json.dumps({key: round(value, 4) for key, value in entry.items()})
    with (folder / "log.jsonl").open("a") as file:
        file.write(line + "\n")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder for checkpoints and the log")
    parser.add_argument("--data", type=Path, required=True, help="folder of unpacked sets")
    parser.add_argument(
        "--weights", type=Path, required=True,
        help="to start from: ImageNet weights of the trunk (.pth), or a checkpoint (.safetensors)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5, help="between checkpoints")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parallel.connect()
    cv2.setNumThreads(1)
    args.run.mkdir(parents=True, exist_ok=True)
    run = start(args.run, PLAN, args.weights, args.seed)
    train(run, args.run, Library(args.data), PLAN, seed=args.seed, minutes=args.minutes)


if __name__ == "__main__":
    main()
