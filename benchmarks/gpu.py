"""SAM 2 on a GPU: ours against sam2's own predictor, same weights, same card, one run.

Random weights in the true architectures: right for time, memory and agreement, not for masks.
A part that fails is reported, and the next one runs. Only torch, sam2 and the model layer of this
package are imported, so it runs on a machine without Jupyter:

    python benchmarks/gpu.py [--device cpu] [--quick] [--out FOLDER] [--parts times memory …]
"""

from __future__ import annotations

import argparse
import copy
import functools
import gc
import json
import os
import platform
import statistics
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if "sam2_widget" not in sys.modules:
    # The package's own __init__ imports the widget, and so Jupyter's libraries.
    package = types.ModuleType("sam2_widget")
    package.__path__ = [str(ROOT / "sam2_widget")]
    sys.modules["sam2_widget"] = package

import torch  # noqa: E402
from sam2.build_sam import build_sam2  # noqa: E402
from sam2.sam2_image_predictor import SAM2ImagePredictor  # noqa: E402

from sam2_widget.config import Resources  # noqa: E402
from sam2_widget.errors import DeviceError  # noqa: E402
from sam2_widget.models.base import pixels as network_pixels  # noqa: E402
from sam2_widget.models.embeddings.cache import EmbeddingCache  # noqa: E402
from sam2_widget.models.predictors import load_file  # noqa: E402
from sam2_widget.models.sam2 import files as sam2_files  # noqa: E402
from sam2_widget.models.sam2.predictor import Sam2Predictor  # noqa: E402
from sam2_widget.predictor import Embedding, MovableEmbedding, PromptArrays  # noqa: E402

warnings.simplefilter("ignore", FutureWarning)

CONFIGS = {
    "tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "large": "configs/sam2.1/sam2.1_hiera_l.yaml",
}
SIZES = {"0.3 MP": (480, 640), "8 MP": (2160, 3840), "48 MP": (6000, 8000)}
SIZE = (1080, 1920)
BUDGET = 270.0
"""Seconds after which no further part is begun."""


@dataclass
class Run:
    """The limit, and what was measured."""

    device: torch.device
    runs: int
    models: tuple[str, ...]
    started: float = field(default_factory=time.perf_counter)
    rows: list[tuple[str, str, float, str]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def row(self, part: str, what: str, value: float, unit: str = "ms") -> None:
        """Note a figure, and print it at once."""
        self.rows.append((part, what, value, unit))
        print(f"{part:<12} {what:<58} {value:>12.4g} {unit}", flush=True)

    def synchronise(self) -> None:
        """Wait for the GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def median(self, call: Callable[[], object], runs: int | None = None) -> float:
        """Median time in milliseconds; two calls to warm up."""
        for _ in range(2):
            call()
        times = []
        for _ in range(runs or self.runs):
            self.synchronise()
            start = time.perf_counter()
            call()
            self.synchronise()
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e3


def photo(size: tuple[int, int]) -> np.ndarray:
    """Smooth random colours, (H, W, 3) uint8."""
    coarse = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    import cv2  # noqa: PLC0415

    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def prompts(count: int, logits: np.ndarray | None = None) -> PromptArrays:
    """Points in a row across the image."""
    x = np.linspace(300, 1600, count)
    points = np.stack([x, np.full(count, 500.0)], 1).astype(np.float32)
    return PromptArrays(points, np.ones(count, np.int32), None, logits)


def model_of(name: str, device: str | torch.device) -> Any:
    """The true architecture with seeded random weights."""
    return copy.deepcopy(_built(name)).to(device)


@functools.cache
def _built(name: str) -> Any:
    torch.manual_seed(0)
    return build_sam2(CONFIGS[name], device="cpu").requires_grad_(requires_grad=False)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two (K, h, w) logits, the least of the K."""
    a, b = one > 0, other > 0
    both, either = (a & b).sum((1, 2)), (a | b).sum((1, 2))
    return float(np.min(both / np.maximum(either, 1)))


def machine(run: Run) -> None:
    """What all the rest was measured on."""
    cpu = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    flags = Path("/proc/cpuinfo").read_text()
    print(f"python {platform.python_version()}, torch {torch.__version__}, {cpu[0]} x {len(cpu)}")
    print("amx_bf16" in flags, "avx512_bf16" in flags, "(AMX, AVX512-BF16)")
    if run.device.type == "cuda":
        print(torch.cuda.get_device_name(), torch.version.cuda)
    run.row("machine", "AMX bf16", float("amx_bf16" in flags), "yes/no")
    run.row("machine", "AVX512 bf16", float("avx512_bf16" in flags), "yes/no")


def agreement(run: Run) -> None:
    """Ours against sam2's own on this device, and against float32 on the CPU."""
    for name in run.models:
        image, device = photo(SIZE), run.device
        theirs = SAM2ImagePredictor(model_of(name, device))
        theirs.set_image(image)
        exact = Sam2Predictor(
            model_of(name, device), name=name, dtype=torch.float32, kept=torch.float32
        )
        ours = Sam2Predictor(model_of(name, device), name=name)
        plain = uncast(ours, name)
        on_cpu = Sam2Predictor(model_of(name, "cpu"), name=name, dtype=torch.float32)
        embeddings = {p: p.embed(image) for p in (exact, ours, plain, on_cpu)}
        with torch.autocast(device.type, torch.bfloat16):
            theirs_half = SAM2ImagePredictor(model_of(name, device))
            theirs_half.set_image(image)
        for count in (1, 5):
            asked = prompts(count)
            with torch.autocast(device.type, torch.bfloat16):
                _, _, half = theirs_half.predict(
                    asked.points, asked.labels, multimask_output=count == 1
                )
            _, _, low = theirs.predict(
                asked.points, asked.labels, multimask_output=count == 1, return_logits=False
            )
            found = {p: p.predict(e, asked, multimask=count == 1) for p, e in embeddings.items()}
            what = f"{name}, {count} points: "
            gap = float(np.abs(found[exact].logits - low).max())
            run.row("agreement", what + "float32 and sam2, largest gap", gap, "logit")
            gap = float(np.abs(found[ours].logits - found[plain].logits).max())
            run.row("agreement", what + "layers cast once and each time, gap", gap, "logit")
            run.row(
                "agreement",
                what + "ours and CPU float32",
                iou(found[ours].logits, found[on_cpu].logits),
                "IoU",
            )
            run.row(
                "agreement",
                what + "sam2's own bf16 autocast and CPU float32",
                iou(half, found[on_cpu].logits),
                "IoU",
            )
            run.row(
                "agreement",
                what + "float32 and CPU float32",
                iou(found[exact].logits, found[on_cpu].logits),
                "IoU",
            )
            _graphs_agree(run, name, ours, embeddings[ours], asked, multimask=count == 1)


def _graphs_agree(
    run: Run,
    name: str,
    ours: Sam2Predictor,
    embedding: Any,
    asked: PromptArrays,
    *,
    multimask: bool,
) -> None:
    if run.device.type != "cuda":
        return
    graphed, ours = ours, Sam2Predictor(model_of(name, run.device), name=name, graphs=False)
    expected = ours.predict(embedding, asked, multimask=multimask)
    other = prompts(len(asked.points))
    for _ in range(2):
        graphed.predict(
            embedding, PromptArrays(other.points + 9, other.labels), multimask=multimask
        )
    found = graphed.predict(embedding, asked, multimask=multimask)
    gap = float(np.abs(found.logits - expected.logits).max())
    run.row("agreement", f"{name}: graph and no graph, gap", gap, "logit")


def uncast(like: Sam2Predictor, name: str) -> Sam2Predictor:
    """Ours with float32 weights, which autocast casts each time."""
    plain = Sam2Predictor(
        model_of(name, like.device),
        name=name,
        dtype=torch.float32,
        kept=like._kept,  # noqa: SLF001
    )
    plain._dtype = like._dtype  # noqa: SLF001
    return plain


def bundled(run: Run) -> None:
    """The bundled model: true masks, so that the IoU means something."""
    path = ROOT / "sam2_widget" / "weights" / "bundled.safetensors"
    here = load_file(path, name="bundled", device=str(run.device))
    there = load_file(path, name="bundled", device="cpu")
    image = photo(SIZE)
    pairs = [(p, p.embed(image)) for p in (here, there)]
    one, other = (p.predict(e, prompts(1), multimask=True).logits for p, e in pairs)
    run.row("bundled", "this device and CPU", iou(one, other), "IoU")
    run.row("bundled", "encode", run.median(lambda: here.embed(image)))
    run.row(
        "bundled",
        "click",
        run.median(lambda: here.predict(pairs[0][1], prompts(1), multimask=True)),
    )


def times(run: Run) -> None:
    """Encoder and decoder, ours and theirs."""
    image, kind = photo(SIZE), run.device.type
    for name in run.models:
        theirs = SAM2ImagePredictor(model_of(name, run.device))
        asked = prompts(1)

        def their_click(theirs: Any = theirs, asked: PromptArrays = asked) -> object:
            return theirs.predict(asked.points, asked.labels, multimask_output=True)

        for dtype in (None, torch.bfloat16):
            label = "bf16 autocast" if dtype else "float32"
            with (
                torch.inference_mode(),
                torch.autocast(kind, dtype or torch.bfloat16, enabled=dtype is not None),
            ):
                value = run.median(lambda: theirs.set_image(image))  # noqa: B023
                run.row("times", f"{name}: encode 1080p, sam2's own, {label}", value)
                run.row(
                    "times", f"{name}: click 1080p, sam2's own, {label}", run.median(their_click)
                )
        ours = Sam2Predictor(model_of(name, run.device), name=name)
        variants = {
            "ours": ours,
            "ours, layers not cast": uncast(ours, name),
            "ours, no CUDA graphs": Sam2Predictor(
                model_of(name, run.device), name=name, graphs=False
            ),
        }
        for label, predictor in variants.items():
            embedding = predictor.embed(image)
            if label != "ours, no CUDA graphs":
                value = run.median(lambda: predictor.embed(image))  # noqa: B023
                run.row("times", f"{name}: encode 1080p, {label}", value)
            for count in (1, 5):
                multi = count == 1
                previous = None if multi else np.zeros((256, 256), np.float32)
                given = prompts(count, previous)
                call = lambda: predictor.predict(embedding, given, multimask=multi)  # noqa: B023, E731
                run.row("times", f"{name}: click {count} points, {label}", run.median(call))


def pixels(run: Run) -> None:
    """From the image in the host's memory to the network's input on the device."""
    cpu, device = torch.device("cpu"), run.device
    for label, size in SIZES.items():
        image = photo(size)
        runs = 3 if size[0] > 1000 else run.runs  # noqa: PLR2004

        def whole(where: torch.device, image: np.ndarray = image) -> torch.Tensor:
            tensor = torch.tensor(image, device=where).permute(2, 0, 1).float().div_(255)
            return network_pixels._resized(tensor, (1024, 1024)).to(device)  # noqa: SLF001

        def strips(where: torch.device, image: np.ndarray = image) -> torch.Tensor:
            return network_pixels.square(image, 1024, where).to(device)

        def pinned(image: np.ndarray = image) -> torch.Tensor:
            tensor = torch.from_numpy(image).pin_memory().to(device, non_blocking=True)
            return network_pixels._resized(  # noqa: SLF001
                tensor.permute(2, 0, 1).float().div_(255), (1024, 1024)
            )

        ways: dict[str, Callable[[], torch.Tensor]] = {
            "host, whole": lambda: whole(cpu),
            "host, strips": lambda: strips(cpu),
            "device, whole": lambda: whole(device),
            "device, strips": lambda: strips(device),
        }
        if device.type == "cuda":
            ways["device, whole, pinned"] = pinned
        reference = ways["host, whole"]().cpu()
        for way, call in ways.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            gap = float((call().cpu() - reference).abs().max())
            run.row("pixels", f"{label}: {way}, gap to the host's", gap, "of 1")
            if device.type == "cuda":
                run.row(
                    "pixels",
                    f"{label}: {way}, peak",
                    torch.cuda.max_memory_allocated() / 2**20,
                    "MiB",
                )
            run.row("pixels", f"{label}: {way}", run.median(call, runs))


def memory(run: Run) -> None:
    """Of a model, an embedding, and what is left when a device is released."""
    if run.device.type != "cuda":
        return
    for name in run.models:
        _memory_of(run, name)


def _memory_of(run: Run, name: str) -> None:
    image, mib = photo(SIZE), 2**20
    whole = model_of(name, "cpu").state_dict()
    start = empty(run)
    # As a checkpoint is loaded: without what only video needs.
    model = sam2_files.build(Path(f"{name}.pt"), whole).to(run.device)
    run.row(
        "memory",
        f"{name}: model in float32",
        (torch.cuda.memory_allocated() - start) / mib,
        "MiB",
    )
    predictor = Sam2Predictor(model, name=name)
    del model
    gc.collect()
    after = torch.cuda.memory_allocated()
    run.row("memory", f"{name}: model, layers cast", (after - start) / mib, "MiB")
    cache = EmbeddingCache(lambda: Resources(device_memory=10**9))
    torch.cuda.reset_peak_memory_stats()
    source = cache.source(predictor, image)
    embedding = source()
    run.row(
        "memory",
        f"{name}: peak of encoding over the model",
        (torch.cuda.max_memory_allocated() - after) / mib,
        "MiB",
    )
    run.row("memory", f"{name}: one embedding", embedding.nbytes / mib, "MiB")
    before = predictor.predict(embedding, prompts(1), multimask=True).logits
    run.row(
        "memory",
        f"{name}: embedding and its decoder's copy",
        (torch.cuda.memory_allocated() - after) / mib,
        "MiB",
    )
    freed = cache.release_device(str(run.device))
    del embedding
    gc.collect()
    run.row("memory", f"{name}: released", freed / mib, "MiB")
    run.row(
        "memory",
        f"{name}: left over the model after that",
        (torch.cuda.memory_allocated() - after) / mib,
        "MiB",
    )

    def on_host() -> Embedding:
        return cast(MovableEmbedding, source()).to("cpu")

    again = predictor.predict(source(), prompts(1), multimask=True).logits
    run.row(
        "memory",
        f"{name}: same answer from the host",
        float(np.array_equal(before, again)),
        "yes/no",
    )
    run.row(
        "memory",
        f"{name}: click on an embedding of the host",
        run.median(lambda: predictor.predict(on_host(), prompts(1), multimask=True)),
    )


def graphs(run: Run) -> None:
    """What the recordings of the decoder cost, once and in memory, and what `forget` gives back."""
    if run.device.type != "cuda":
        return
    mib = 2**20
    predictor = Sam2Predictor(model_of("tiny", run.device), name="tiny")
    embedding = predictor.embed(photo(SIZE))
    predictor.predict(embedding, prompts(1), multimask=True)
    empty(run)
    start = torch.cuda.memory_reserved()
    for count in range(1, 9):
        times = []
        for _ in range(3):
            run.synchronise()
            begun = time.perf_counter()
            predictor.predict(embedding, prompts(count), multimask=count == 1)
            times.append((time.perf_counter() - begun) * 1e3)
        if count in (1, 2, 8):
            for turn, value in zip(("first", "second, recording", "third"), times, strict=True):
                run.row("graphs", f"tiny: {count} points, {turn}", value)
            held = (torch.cuda.memory_reserved() - start) / mib
            run.row("graphs", f"tiny: reserved more, {count} shapes", held, "MiB")
    before = predictor.predict(embedding, prompts(3), multimask=False).logits
    predictor._model.to("cpu")  # noqa: SLF001
    predictor.forget()
    empty(run)
    run.row(
        "graphs", "tiny: reserved after the model left", torch.cuda.memory_reserved() / mib, "MiB"
    )
    predictor._model.to(run.device)  # noqa: SLF001
    for _ in range(3):
        after = predictor.predict(embedding, prompts(3), multimask=False).logits
    same = float(np.array_equal(before, after))
    run.row("graphs", "tiny: same answers after it came back", same, "yes/no")


def empty(run: Run) -> int:
    """Free what nobody holds; bytes that are still allocated."""
    del run
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


def out_of_memory(run: Run) -> None:
    """A device that is too full: raises DeviceError, and is usable as soon as there is room."""
    if run.device.type != "cuda":
        return
    image, large = photo(SIZE), checkpoint_of("large")
    predictor = Sam2Predictor(model_of("tiny", run.device), name="tiny")
    predictor.embed(image)
    empty(run)
    total = torch.cuda.get_device_properties(run.device).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2**24) / total)
    try:
        predictor.embed(image)
        run.row("full", "embed reported the full device", 0, "yes/no")
    except DeviceError as error:
        print(error)
        run.row("full", "embed reported the full device", 1, "yes/no")
    try:
        load_file(large, name="large", device=str(run.device))
        run.row("full", "load reported the full device", 0, "yes/no")
    except DeviceError as error:
        print(error)
        run.row("full", "load reported the full device", 1, "yes/no")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    predictor.embed(image)
    run.row("full", "embed works again once there is room", 1, "yes/no")


def checkpoint_of(name: str) -> Path:
    """A file as the hub serves it, with random weights."""
    path = Path("/tmp") / f"random-{name}.pt"  # noqa: S108
    torch.save({"model": model_of(name, "cpu").state_dict()}, path)
    return path


def cpu_encoder(run: Run) -> None:
    """The encoder on the CPU: float32 and bfloat16, both memory layouts, several threads."""
    image = photo(SIZE)
    model = model_of("tiny", "cpu")
    last = copy.deepcopy(model)
    last.image_encoder.to(memory_format=torch.channels_last)
    before, runs = torch.get_num_threads(), min(run.runs, 3)
    theirs = SAM2ImagePredictor(model)
    cores = len(os.sched_getaffinity(0))
    for threads in sorted({1, min(8, cores)}):
        torch.set_num_threads(threads)
        peer = run.median(lambda: theirs.set_image(image), runs)
        run.row("cpu", f"tiny encode, sam2's own float32, {threads} threads", peer)
        mine = Sam2Predictor(model, name="tiny", dtype=torch.float32)
        with torch.inference_mode():
            here = run.median(lambda: mine._embed(image), runs)  # noqa: B023, SLF001
        run.row("cpu", f"tiny encode, ours float32, main thread, {threads} threads", here)
        for layout, net in (("", model), (", channels-last", last)):
            for dtype in (torch.float32, torch.bfloat16):
                ours = Sam2Predictor(net, name="tiny", dtype=dtype)
                on_thread(functools.partial(torch.set_num_threads, threads))
                value = run.median(lambda: ours.embed(image), runs)  # noqa: B023
                label = f"tiny encode, ours {str(dtype)[6:]}{layout}, {threads} threads"
                run.row("cpu", label, value)
                run.row("cpu", label + ", of sam2's float32", value / peer, "times")
    torch.set_num_threads(before)


def on_thread(job: Callable[[], object]) -> None:
    """Run a job where models run."""
    from sam2_widget.models import worker  # noqa: PLC0415

    worker.local.run(job)


def compiled(run: Run) -> None:
    """torch.compile of the decoder: what it costs once, and what it saves each time."""
    if run.device.type != "cuda":
        return
    image = photo(SIZE)
    predictor = Sam2Predictor(model_of("tiny", run.device), name="tiny")
    embedding = predictor.embed(image)
    expected = predictor.predict(embedding, prompts(1), multimask=True).logits
    predictor._decoder = torch.compile(predictor._network, mode="reduce-overhead", dynamic=False)  # noqa: SLF001
    start = time.perf_counter()
    for _ in range(3):
        found = predictor.predict(embedding, prompts(1), multimask=True).logits
    run.row("compiled", "tiny: first three clicks", time.perf_counter() - start, "s")
    run.row(
        "compiled",
        "tiny: click 1 points",
        run.median(lambda: predictor.predict(embedding, prompts(1), multimask=True)),
    )
    run.row("compiled", "tiny: compiled and not", iou(found, expected), "IoU")


PARTS = (
    machine,
    agreement,
    bundled,
    times,
    pixels,
    memory,
    graphs,
    out_of_memory,
    cpu_encoder,
    compiled,
)


def main() -> None:
    """Run all parts, print a line a figure, write them all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--parts", nargs="*", default=[part.__name__ for part in PARTS])
    options = parser.parse_args()
    run = Run(
        torch.device(options.device),
        1 if options.quick else 15,
        ("tiny",) if options.quick else ("tiny", "large"),
    )
    for part in (part for part in PARTS if part.__name__ in options.parts):
        if time.perf_counter() - run.started > BUDGET:
            run.failures[part.__name__] = "no time left"
            continue
        try:
            part(run)
        except Exception:  # noqa: BLE001 - the next part may work
            traceback.print_exc()
            run.failures[part.__name__] = traceback.format_exc()
        print(f"--- {part.__name__}: {time.perf_counter() - run.started:.0f} s", flush=True)
        gc.collect()
    found = {"rows": run.rows, "failures": run.failures, "torch": torch.__version__}
    (options.out / "gpu.json").write_text(json.dumps(found, indent=1))
    print("failed:", ", ".join(run.failures) or "nothing")


if __name__ == "__main__":
    main()
