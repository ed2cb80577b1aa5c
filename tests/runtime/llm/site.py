"""Switchboard's model endpoint on a real server, and gateways to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from scaleworthy.runtime.llm import Model, Provider
from scaleworthy.switchboard.llm import Llm, create_app
from scaleworthy.switchboard.llm_settings import LlmSettings


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[Provider, Llm]]:
    """Serve the endpoint with these settings, quick unless they say otherwise; yield the provider and its state."""
    app = create_app(LlmSettings(**{"first_s": 0.0, "tokens_per_s": 1e6, **settings}))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1_024)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            port = listener.getsockname()[1]
            yield Provider(f"local {port}", f"http://127.0.0.1:{port}/v1", key="sk-test"), app.state.llm
        finally:
            server.should_exit = True
            thread.join()


def model(name: str, provider: Provider, **options: Any) -> Model:
    """Return a model of *provider*."""
    return Model(name, provider, **options)
