"""The language models the service asks: a chair and its council's members, through one gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from importlib.resources import as_file, files
from urllib.parse import urlsplit

from scaleworthy.runtime.limit import Limit
from scaleworthy.runtime.llm import Gateway, Model, Prices, Provider
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.settings import Settings

# What `switchboard llm` is asked for; the first is the chair.
OWN_MODELS = ("switchboard-chair", "switchboard-a", "switchboard-b", "switchboard-c")
_SILENT_MOST_S = 10.0
_PROBE_S = 0.5
_PROBED_S = 1.0


class Models:
    """The gateway to the models of *settings*, and each tenant's limit of councils. `close` at the end."""

    def __init__(self, settings: Settings, *, meter: Meter, now: Callable[[], float] = time.monotonic) -> None:
        self.chair, *members = settings.llm_models or OWN_MODELS
        self.members = tuple(members) or (self.chair,)
        self.limit = Limit(
            f"{settings.councils_per_minute}/m", burst=settings.councils_per_minute, name="councils", meter=meter
        )
        self._url = settings.llm
        self._now = now
        self._probed: tuple[float, str | None] = (float("-inf"), None)
        self.gateway: Gateway | None = None
        if settings.llm is None:
            return
        provider = Provider("models", settings.llm, key=settings.llm_key)
        names = dict.fromkeys((self.chair, *self.members))
        self.gateway = Gateway(
            [
                Model(
                    name,
                    provider,
                    timeout_s=_SILENT_MOST_S,
                    fallbacks=tuple(self.members[:1]) if name == self.chair else (),
                )
                for name in names
            ],
            prices=None if settings.llm_models else _own_prices(),
            meter=meter,
        )

    async def trouble(self) -> str | None:
        """Return why the models do not answer; None: they do, or there are none. Their endpoint is looked for once a second at most."""
        if self.gateway is None or self._url is None:
            return None
        said = self.gateway.trouble()
        if said is not None:
            return said
        at, reason = self._probed
        if self._now() - at >= _PROBED_S:
            reason = await _missing(self._url)
            self._probed = (self._now(), reason)
        return reason

    async def close(self) -> None:
        """Close the connections."""
        if self.gateway is not None:
            await self.gateway.close()


async def _missing(url: str) -> str | None:
    """Return why nobody listens at *url*; None: somebody does. No model is asked: that would cost."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_PROBE_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        return f"no connection within {_PROBE_S:g} s"
    except OSError as error:
        return error.strerror or str(error)
    writer.transport.abort()
    return None


def _own_prices() -> Prices:
    with as_file(files("scaleworthy.switchboard") / "prices.toml") as path:
        return Prices.read(path)
