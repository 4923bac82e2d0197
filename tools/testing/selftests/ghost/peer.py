#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The other machine of pair.sh: does what it is told, or tells it.

  peer.py serve PORT            run commands until "quit"; exit status 0
  peer.py HOST PORT COMMAND...  have a command run there by bash, from our standard input;
                                its output and its exit status are ours
"""

import json
import socket
import subprocess
import sys
import time


def answer(connection):
    with connection, connection.makefile("rw") as f:
        order = json.loads(f.readline())
        if order["command"] == "quit":
            f.write(json.dumps({"code": 0, "output": ""}) + "\n")
            return False
        done = subprocess.run(["bash", "-c", order["command"]], input=order["input"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        f.write(json.dumps({"code": done.returncode, "output": done.stdout}) + "\n")
    return True


def serve(port):
    with socket.create_server(("", port)) as listener:
        while answer(listener.accept()[0]):
            pass


def connect(host, port):
    """The other machine may not be up yet."""
    end = time.monotonic() + 300
    while True:
        try:
            return socket.create_connection((host, port), timeout=5)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def tell(host, port, command):
    order = {"command": command, "input": "" if sys.stdin.isatty() else sys.stdin.read()}
    with connect(host, port) as connection, connection.makefile("rw") as f:
        connection.settimeout(600)
        f.write(json.dumps(order) + "\n")
        f.flush()
        result = json.loads(f.readline())
    sys.stdout.write(result["output"])
    return result["code"]


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    sys.exit(tell(sys.argv[1], int(sys.argv[2]), " ".join(sys.argv[3:])))
