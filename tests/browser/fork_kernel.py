"""Command of a kernel spec: forks a kernel, forwards interrupts to it, and ends when it ends.

fork_kernel.py SOCKET CONNECTION_FILE
"""

import json
import os
import signal
import socket
import sys

address, file = sys.argv[1:]
kernel = None


def interrupt(number, frame):
    if kernel is not None:
        os.kill(kernel, number)


signal.signal(signal.SIGINT, interrupt)
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    socket.send_fds(connection, [b"\n"], [0, 1, 2])
    request = {"file": file, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile() as answer:
        kernel = int(answer.readline())
        answer.read()
