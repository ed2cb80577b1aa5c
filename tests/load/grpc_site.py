"""A shop served by grpc.aio: another implementation than ours reads what the engine sends, and answers it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from load.tls_site import Certificates
from scaleworthy._native import proto_descriptors

PROTO = """syntax = "proto3";
package shop;

message Order {
  string user = 1;
  repeated string items = 2;
  int64 cents = 3;
}

message Receipt {
  int64 number = 1;
  string user = 2;
  bytes picture = 3;
}

service Orders {
  rpc Place (Order) returns (Receipt);
  rpc Watch (Order) returns (stream Receipt);
  rpc Load (stream Order) returns (Receipt);
}
"""


@dataclass(slots=True)
class Site:
    """Where the shop is, and the calls that it has had: method, message as text, metadata, seconds left."""

    url: str
    calls: list[tuple[str, str, dict[str, str], float | None]] = field(default_factory=list)


def write_proto(folder: Path) -> Path:
    """Put the shop's file into *folder*."""
    path = folder / "shop.proto"
    path.write_text(PROTO)
    return path


def _classes(path: Path) -> tuple[Any, Any]:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(proto_descriptors(str(path), import_paths=[])).file:
        pool.Add(file)
    order, receipt = (pool.FindMessageTypeByName(f"shop.{name}") for name in ("Order", "Receipt"))
    return message_factory.GetMessageClass(order), message_factory.GetMessageClass(receipt)


class _Shop(grpc.GenericRpcHandler):
    def __init__(self, path: Path, site: Site) -> None:
        self.order, self.receipt = _classes(path)
        self.site = site

    def service(self, details: Any) -> Any:
        kinds = {
            "Place": (grpc.unary_unary_rpc_method_handler, self.place),
            "Watch": (grpc.unary_stream_rpc_method_handler, self.watch),
            "Load": (grpc.stream_unary_rpc_method_handler, self.load),
        }
        make, answer = kinds.get(details.method.rpartition("/")[2], (None, None))
        if make is None:
            return None
        return make(
            answer,
            request_deserializer=self.order.FromString,
            response_serializer=self.receipt.SerializeToString,
        )

    def note(self, method: str, order: Any, context: Any) -> None:
        metadata = {str(name): str(value) for name, value in context.invocation_metadata()}
        self.site.calls.append((method, str(order), metadata, context.time_remaining()))

    async def place(self, order: Any, context: Any) -> Any:
        self.note("Place", order, context)
        if order.user == "nobody":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no user «nobody»: 100 % sure")
        if order.user == "slow":
            await asyncio.Event().wait()
        if order.user == "packed":
            context.set_compression(grpc.Compression.Gzip)
        picture = bytes(order.cents) if order.user in ("large", "packed") else b""
        context.set_trailing_metadata((("shop-queue", "7"),))
        return self.receipt(number=9_007_199_254_740_993, user=order.user, picture=picture)

    async def watch(self, order: Any, context: Any) -> AsyncIterator[Any]:
        self.note("Watch", order, context)
        for number in range(order.cents):
            yield self.receipt(number=number, user=order.user)
            await asyncio.sleep(0)
        if order.user == "cut":
            await context.abort(grpc.StatusCode.DATA_LOSS, "the rest is gone")
        if order.user == "endless":
            await asyncio.Event().wait()

    async def load(self, orders: AsyncIterator[Any], context: Any) -> Any:
        seen = [order async for order in orders]
        self.note("Load", ", ".join(order.user for order in seen), context)
        return self.receipt(number=len(seen))


def _key_and_chain(certificates: Certificates) -> tuple[bytes, bytes]:
    return Path(certificates.server_key).read_bytes(), Path(certificates.server).read_bytes()


@contextmanager
def grpc_site(folder: Path, certificates: Certificates | None = None) -> Iterator[Site]:
    """Give a shop that is served while the block runs, over TLS with *certificates*; its file is put into *folder*."""
    path = write_proto(folder)
    ready, site = threading.Event(), Site("")
    pair = _key_and_chain(certificates) if certificates is not None else None
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((_Shop(path, site),))
        if pair is None:
            site.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        else:
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
            site.url = f"https://127.0.0.1:{port}"
        await server.start()
        ready.set()
        await over.wait()
        await server.stop(None)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield site
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
