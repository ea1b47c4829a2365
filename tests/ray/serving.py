"""A Ray cluster with the model, in a process of its own: `python -m tests.ray.serving`.

It writes a line when it serves, and ends with its standard input.
"""

import json
import sys

import ray
from ray import serve

from sam2_widget.ray import app

OBJECT_STORE = 100 * 2**20


def main():
    port, folder, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE,
        _temp_dir=folder,
        runtime_env={"worker_process_setup_hook": "tests.ray.hold.hold_clicks"},
    )
    serve.start(http_options={"port": port})
    serve.run(app(options))
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    sys.stdin.read()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
