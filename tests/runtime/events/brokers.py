"""Kafka's protocol without Kafka: librdkafka's own cluster of mock brokers, which can be stopped and come back.

Python's library can start one, but not stop its brokers; the functions for that are in the same shared library, and are called there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka

_PRODUCER = 0
_UNKNOWN_TOPIC = 3


def _library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    found = ctypes.CDLL(str(next(folder.glob("librdkafka-*.so*"))))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    found.rd_kafka_conf_new.restype = pointer
    found.rd_kafka_new.restype = pointer
    found.rd_kafka_new.argtypes = [ctypes.c_int, pointer, text, ctypes.c_size_t]
    found.rd_kafka_destroy.argtypes = [pointer]
    found.rd_kafka_mock_cluster_new.restype = pointer
    found.rd_kafka_mock_cluster_new.argtypes = [pointer, ctypes.c_int]
    found.rd_kafka_mock_cluster_destroy.argtypes = [pointer]
    found.rd_kafka_mock_cluster_bootstraps.restype = text
    found.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    found.rd_kafka_mock_broker_set_down.argtypes = [pointer, ctypes.c_int32]
    found.rd_kafka_mock_broker_set_up.argtypes = [pointer, ctypes.c_int32]
    found.rd_kafka_mock_broker_set_rtt.argtypes = [pointer, ctypes.c_int32, ctypes.c_int]
    found.rd_kafka_mock_push_request_errors_array.argtypes = [
        pointer,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    found.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [pointer, ctypes.c_int32]
    found.rd_kafka_mock_topic_set_error.argtypes = [pointer, text, ctypes.c_int]
    found.rd_kafka_mock_topic_create.argtypes = [pointer, text, ctypes.c_int, ctypes.c_int]
    return found


class Brokers:
    """A cluster of *brokers* mock brokers, for as long as the `with`."""

    def __init__(self, brokers: int = 3) -> None:
        self._library = _library()
        self._numbers = range(1, brokers + 1)
        reason = ctypes.create_string_buffer(512)
        self._client = self._library.rd_kafka_new(_PRODUCER, self._library.rd_kafka_conf_new(), reason, 512)
        assert self._client, reason.value
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 20)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        assert (
            self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, len(self._numbers)) == 0
        )

    def hide_topic(self, name: str, *, hidden: bool) -> None:
        """Answer that there is no such topic."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), _UNKNOWN_TOPIC if hidden else 0)

    def answer_once(self, request: int, error: int) -> None:
        """Answer the next request of that kind with that error, both by their numbers in Kafka's protocol."""
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, 1, (ctypes.c_int * 1)(error))

    @contextmanager
    def hung(self, for_ms: int = 60_000) -> Iterator[None]:
        """Take what is sent, and answer it a minute later."""
        self._answer_after(for_ms)
        try:
            yield
        finally:
            self._answer_after(0)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be gone for as long as the `with`."""
        self.stop()
        try:
            yield
        finally:
            self.go_on()

    def _answer_after(self, ms: int) -> None:
        for number in self._numbers:
            self._library.rd_kafka_mock_broker_set_rtt(self._cluster, number, ms)

    def stop(self) -> None:
        for number in self._numbers:
            self._library.rd_kafka_mock_broker_set_down(self._cluster, number)

    def go_on(self) -> None:
        for number in self._numbers:
            self._library.rd_kafka_mock_broker_set_up(self._cluster, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)
