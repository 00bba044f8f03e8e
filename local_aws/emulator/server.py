"""The emulator's own process: MiniStack with its differences from AWS corrected, on one loopback port.

Started by `Emulator`. It takes the port before MiniStack is loaded. It reports on standard output, in one line of JSON,
whether it has started. It ends when its standard input ends, with whatever it started.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import functools
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.emulator.runtimes.selection import Choice
from local_aws.emulator.supervisor import LEFT_OUT

if TYPE_CHECKING:
    from hypercorn.config import Config

    from local_aws.emulator.runtimes import ContainerRuntime

HOST = "127.0.0.1"
_BACKLOG = 512
_END_SECONDS = 8.0
_GARBAGE_SECONDS = 60.0


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--container-runtime", required=True, help="what runs ECS containers")
    parser.add_argument("--docker-socket", default="", help="of the engine that the docker runtime uses")
    parser.add_argument("--detached", action="store_true")
    arguments = parser.parse_args()
    try:
        listener = socket.create_server((HOST, arguments.port), backlog=_BACKLOG)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        report({"error": "port in use"})
        return
    os.environ["GATEWAY_PORT"] = str(listener.getsockname()[1])
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    choice = Choice(arguments.container_runtime, "", arguments.docker_socket)
    asyncio.run(serve(listener, arguments.folder, arguments.detached, choice))


async def serve(listener: socket.socket, folder: Path, detached: bool, choice: Choice) -> None:
    """Serve on a socket until a signal comes or, unless detached, standard input ends."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from ministack.core import lambda_runtime

    from local_aws.emulator.aws_behaviour.ecs_tasks import lives
    from local_aws.emulator.aws_behaviour.states_integrations import warm_up

    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    runtime, application = assemble(listener.getsockname()[1], folder, choice)
    ending = _told_to_end(detached)
    ready = asyncio.create_task(_report_when_ready(listener.getsockname()[1]))
    threading.Thread(target=warm_up, daemon=True).start()
    threading.Thread(target=_collect_garbage, daemon=True).start()

    async def until_told() -> None:
        # What calls in flight wait for ends first, so that they end too.
        await ending.wait()
        give_up = threading.Timer(_END_SECONDS, os._exit, (1,))
        give_up.daemon = True
        give_up.start()
        lives.stop_all()
        await asyncio.to_thread(runtime.close)
        await asyncio.to_thread(lambda_runtime.reset)

    try:
        await hypercorn_serve(application, _configuration(listener), shutdown_trigger=until_told)
    finally:
        ready.cancel()


def _collect_garbage() -> None:
    """Collect garbage in a thread of its own, from time to time.

    After thousands of tasks it takes more than a second, which would count as the time of whatever request or JSONata
    expression it happened in.
    """
    gc.disable()
    while True:
        time.sleep(_GARBAGE_SECONDS)
        gc.collect()


def assemble(port: int, folder: Path, choice: Choice) -> tuple[ContainerRuntime, Any]:
    """Correct MiniStack and wrap it in what injects faults, counts and records.

    Returns the runtime and the ASGI application.
    """
    from ministack import app as ministack
    from ministack.core import iam_evaluator

    from local_aws.emulator import authorization_recording, authorizations, call_metering, metering, recorders
    from local_aws.emulator.aws_behaviour.execution_role import EmulatorRegistry
    from local_aws.emulator.aws_behaviour.installation import install
    from local_aws.emulator.children import Children
    from local_aws.emulator.fault_injection import FaultInjector

    children = Children(folder)
    runtime: ContainerRuntime
    if choice.runtime == "docker":
        from local_aws.emulator.runtimes.docker import DockerRuntime

        runtime = DockerRuntime(choice.docker_socket, port, folder)
    else:
        from local_aws.emulator.runtimes.process import ProcessRuntime
        from local_aws.emulator.runtimes.simulated import SimulatedRuntime

        of_processes = SimulatedRuntime if choice.runtime == "simulated" else ProcessRuntime
        runtime = of_processes(folder, EmulatorRegistry(), children)
    install(runtime, children, folder, os.environ.get(LEFT_OUT, ""))
    faults = FaultInjector()
    for service, handler in list(ministack.SERVICE_HANDLERS.items()):
        faulty = functools.partial(faults.handle, service, handler)
        ministack.SERVICE_HANDLERS[service] = functools.partial(call_metering.handle, service, faulty)
    for name in ("evaluate", "evaluate_resource_policy"):
        recording = getattr(authorization_recording, name)
        setattr(iam_evaluator, name, functools.partial(recording, getattr(iam_evaluator, name)))
    application = functools.partial(faults.serve, ministack.app)
    application = functools.partial(recorders.serve, metering.PATH, metering.meter, application)
    return runtime, functools.partial(recorders.serve, authorizations.PATH, authorizations.recorder, application)


def _configuration(listener: socket.socket) -> Config:
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    return config


def _told_to_end(detached: bool) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not detached:
        threading.Thread(target=_follow_parent, args=(loop, ending), daemon=True).start()
    return ending


def _follow_parent(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    loop.call_soon_threadsafe(ending.set)


async def _report_when_ready(port: int) -> None:
    while True:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await reader.readline()
        writer.close()
        if b" 200 " in status:
            report({"port": port})
            return
        await asyncio.sleep(0.02)


def report(message: dict[str, Any]) -> None:
    """Tell the driver, once."""
    print(json.dumps(message), flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    main()
