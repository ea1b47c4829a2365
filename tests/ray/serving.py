"""A Ray cluster with the model, in a separate process: `python -m tests.ray.serving`.

It writes "serving" when it serves. A line of standard input stops the service ("stop") or starts it
again with the options that the line holds as JSON; it ends with its standard input.
"""

import json
import sys
from contextlib import suppress

import ray
from ray import serve
from ray._private import services

from sam2_widget.ray import app
from tests.waiting import wait_until

OBJECT_STORE = 100 * 2**20


def be_patient():
    """Let Ray wait for its node longer than its fixed 30 s, because machines may be busy."""
    get_node = services.get_node

    def get_node_in_the_end(*args):
        def found():
            with suppress(RuntimeError):
                return get_node(*args)

        return wait_until(found, "Ray's node")

    services.get_node = get_node_in_the_end


def main():
    be_patient()
    port, folder, options = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE,
        _temp_dir=folder,
        runtime_env={"worker_process_setup_hook": "tests.ray.hold.hold_clicks"},
    )
    start_service(port, options)
    for line in sys.stdin:
        if line.strip() == "stop":
            serve.shutdown()
            report("stopped")
        else:
            start_service(port, json.loads(line))
    serve.shutdown()
    ray.shutdown()


def start_service(port, options):
    serve.start(http_options={"port": port})
    serve.run(app(options))
    report("serving")


def report(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
