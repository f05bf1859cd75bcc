#!/usr/bin/env python3
"""Behaves as `nvidia-cuda-mps-control` does, as far as a harness sees it; tests copy it under that name onto PATH.

`-d` starts a daemon with a socket and a file of its process in the pipe folder; without arguments, commands are read
from standard input and sent to it. PLANTED=fail: the daemon does not start; PLANTED=deaf: it starts and ignores `quit`.
"""

import os
import signal
import socket
import sys
from pathlib import Path

PIPES = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
SOCKET = PIPES / "control"


def serve() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(SOCKET))
    listener.listen()
    (PIPES / "nvidia-cuda-mps-control.pid").write_text(str(os.getpid()))
    while True:
        connection, _ = listener.accept()
        text = connection.recv(100).decode().strip()
        connection.sendall(b"taken")
        connection.close()
        if text == "quit" and os.environ.get("PLANTED") != "deaf":
            for path in (SOCKET, PIPES / "nvidia-cuda-mps-control.pid"):
                path.unlink()
            return


def start() -> int:
    if os.environ.get("PLANTED") == "fail":
        print("warming up\nFailed to start: planted")
        return 1
    if not PIPES.is_dir() or not Path(os.environ.get("CUDA_MPS_LOG_DIRECTORY", "/")).is_dir():
        return 2
    ready, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.close(ready)
            os.write(told, b"x")
            os.close(told)
            serve()
        os._exit(0)
    os.close(told)
    os.read(ready, 1)
    while not SOCKET.exists():
        pass
    return 0


def ask() -> int:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(SOCKET))
            client.sendall(sys.stdin.read().encode())
            client.recv(100)
    except OSError:
        print("Cannot find MPS control daemon process")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(start() if sys.argv[1:] == ["-d"] else ask())
