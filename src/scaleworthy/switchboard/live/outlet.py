"""A way to one client: frames written straight to its connection, whose own buffer is the bound. No task, no queue."""

from __future__ import annotations

from scaleworthy.switchboard.live.frames import FrameProtocol, hold_back

UNSENT_BYTES_MOST = 256 * 1024
_KERNEL_BYTES = 128 * 1024
SLOW = (1008, "too slow: what was sent is not read")


class Outlet:
    """Takes what is for one client, never waits for it, and drops it with a reason when it does not read."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: FrameProtocol) -> None:
        self._protocol = protocol
        hold_back(protocol.transport, _KERNEL_BYTES)

    def send(self, frame: bytes) -> bool:
        """Write, unless the client is gone or too far behind; return whether it is still there."""
        protocol = self._protocol
        if not protocol.is_open:
            return False
        if protocol.unsent_bytes + len(frame) > UNSENT_BYTES_MOST:
            protocol.drop(*SLOW)
            return False
        protocol.write_frame(frame)
        return True

    def drop(self, code: int, reason: str) -> None:
        """Close with *code* and *reason*."""
        if self._protocol.is_open:
            self._protocol.drop(code, reason)
