"""Many light users: one model in each kernel against one cluster for all, in one run.

Each user is a process of its own, as a kernel is, with an image of its own, and clicks now and then
(exponential pauses). The cluster has one replica a core; users and cluster share the cores. Memory
is the proportional set size. Needs the extra `ray`, and memory for as many models as `OWN` says.

    OMP_NUM_THREADS=1 python -m benchmarks.ray_users
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from deploy.try_hub import free_port

OWN = (4,)
SHARED = (4, 16)
PAUSE = 2.0
"""Seconds between two clicks of a user, on average."""
SECONDS = 20.0
CLICKS, IDLE = 40, 10.0


def serve(port: int, folder: str, replicas: int) -> None:
    """Run a cluster until standard input ends."""
    import ray  # noqa: PLC0415 - users have none
    from ray import serve as ray_serve  # noqa: PLC0415

    from sam2_widget.ray import app  # noqa: PLC0415

    memory = 200 * 2**20
    ray.init(
        num_cpus=replicas, include_dashboard=False, object_store_memory=memory, _temp_dir=folder
    )
    ray_serve.start(http_options={"port": port})
    ray_serve.run(app({"model": "bundled", "replicas": replicas}))
    print("serving", flush=True)
    sys.stdin.read()
    ray_serve.shutdown()


def user(where: str, seed: int, pause: float, seconds: float) -> None:
    """One user: makes ready, waits for a line, clicks, and prints what it took."""
    from skimage import data  # noqa: PLC0415

    from sam2_widget import Point, load_model, ray_model  # noqa: PLC0415
    from sam2_widget.annotation.predictions import to_arrays  # noqa: PLC0415

    model = load_model(where) if where == "bundled" else ray_model(where)
    image = data.chelsea().copy()
    image[0, :2] = np.frombuffer(seed.to_bytes(6, "big"), np.uint8).reshape(2, 3)
    embedding, random = model.embed(image), np.random.default_rng(seed)
    height, width = image.shape[:2]

    def click() -> float:
        asked = to_arrays((Point(*(random.uniform(0.2, 0.8, 2) * (width, height)).tolist()),))
        start = time.perf_counter()
        model.predict(embedding, asked, multimask=True)
        return time.perf_counter() - start

    for _ in range(3):
        click()
    print("ready", flush=True)
    sys.stdin.readline()
    before, end, times = time.process_time(), time.monotonic() + seconds, []
    while pause == 0 or time.monotonic() < end:
        time.sleep(random.exponential(pause) if pause else 0)
        times.append(click())
        if pause == 0 and len(times) == CLICKS:
            break
    result = {"times": times, "cpu": time.process_time() - before, "pss": pss([os.getpid()])}
    print(json.dumps(result), flush=True)
    sys.stdin.readline()


def pss(pids: list[int]) -> int:
    """Proportional set size of processes in bytes: what they share counts once."""
    kibibytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kibibytes += int(line.split()[1])
    return kibibytes * 1024


def started(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Another part of this benchmark in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ray_users", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **environment}
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read its output up to a line."""
    for line in process.stdout or ():
        if line.strip() == word:
            return
    raise SystemExit(f"{process.args!r} ended before it was {word}")


def crowd(
    where: str,
    users: int,
    cluster: subprocess.Popen[str] | None,
    *,
    pause: float = PAUSE,
) -> dict[str, Any]:
    """What so many users find: seconds a click, memory, and seconds of processor."""
    processes = [started("user", where, i, pause, SECONDS) for i in range(users)]
    for process in processes:
        wait_for(process, "ready")
    before = cpu(cluster)
    for process in processes:
        tell(process)
    results = [json.loads((process.stdout or sys.stdin).readline()) for process in processes]
    used = cpu(cluster) - before
    for process in processes:
        tell(process)
        process.wait()
    times = sorted(t for one in results for t in one["times"])
    return {
        "times": times,
        "p95": times[int(0.95 * len(times))],
        "cpu": used + sum(one["cpu"] for one in results),
        "pss": statistics.mean(one["pss"] for one in results),
    }


def tell(process: subprocess.Popen[str]) -> None:
    """Let it go on."""
    if process.stdin:
        process.stdin.write("\n")
        process.stdin.flush()


def family(cluster: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes of the cluster."""
    found = psutil.Process(cluster.pid)
    return [found, *found.children(recursive=True)]


def cpu(cluster: subprocess.Popen[str] | None) -> float:
    """Seconds of processor that the cluster has used, 0 without one."""
    if cluster is None:
        return 0.0
    return sum(sum(process.cpu_times()[:2]) for process in family(cluster))


def spread(times: list[float]) -> str:
    """Median and quartiles in milliseconds."""
    low, middle, high = (1e3 * q for q in statistics.quantiles(times, n=4))
    return f"{middle:.0f} ms ({low:.0f} to {high:.0f})"


def report(where: str, counts: tuple[int, ...], cluster: subprocess.Popen[str] | None) -> None:
    """Print a table of crowds."""
    alone = crowd(where, 1, cluster, pause=0)
    print(f"alone, no pauses: {spread(alone['times'])}")
    for users in counts:
        found = crowd(where, users, cluster)
        each = found["cpu"] / len(found["times"])
        print(
            f"{users:>3} users: {spread(found['times'])}, 95 % within {1e3 * found['p95']:.0f} ms, "
            f"{1e3 * each:.0f} ms of processor a click: at most {PAUSE / each:.0f} users a core, "
            f"{found['pss'] / 2**20:.0f} MiB a kernel",
            flush=True,
        )


def main() -> None:
    """Print both tables."""
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["user"]:
        user(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
        return
    cores = os.cpu_count() or 1
    print(f"{cores} cores; each user clicks every {PAUSE:g} s on average\n\nA model in each kernel")
    report("bundled", OWN, None)
    port = free_port()
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    cluster = started("serve", port, tempfile.mkdtemp(dir="/tmp"), cores, **quiet)
    wait_for(cluster, "serving")
    print(f"\nA cluster for all, {cores} replicas", flush=True)
    before = cpu(cluster)
    time.sleep(IDLE)
    print(f"idle: {100 * (cpu(cluster) - before) / IDLE:.0f} % of a core")
    report(f"http://127.0.0.1:{port}", SHARED, cluster)
    memory = pss([process.pid for process in family(cluster)]) / 2**20
    print(f"the cluster itself, once: {memory:.0f} MiB")
    cluster.communicate()


if __name__ == "__main__":
    main()
