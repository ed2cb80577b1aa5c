"""Types of the Rust core; tests/boundary checks this file against the binary."""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Generator, Mapping, Sequence
from typing import Any, Literal, Self, TypeVar, Unpack, final

import numpy as np
from numpy.typing import NDArray

from scaleworthy.load.scenarios.asking import Options

_Q = TypeVar("_Q")

__version__: str
build_profile: str

@final
class Histogram:
    """A distribution of integer nanoseconds: at most 140 KB, exact merge, quantiles within 0.1 %.

    Count, minimum, maximum, mean and sum are exact. Values above 2^42 - 1 ns (73 minutes) count as that value, and
    `saturated` says how many there were. One histogram must not be changed by two threads at once.
    """

    def __init__(self) -> None: ...
    def record(self, value_ns: int, count: int = 1) -> None:
        """Add *count* records of *value_ns*; both at least 0 and below 2^64 (OverflowError)."""
    def merge(self, other: Histogram) -> None:
        """Add every record of *other*; the order of merges makes no difference."""
    def copy(self) -> Histogram: ...
    def clear(self) -> None:
        """Forget every record and keep the memory."""
    def take(self) -> Histogram:
        """Return all records and forget them, in one step: none that another thread adds meanwhile is lost."""
    @property
    def count(self) -> int: ...
    @property
    def min_ns(self) -> int | None: ...
    @property
    def max_ns(self) -> int | None: ...
    @property
    def mean_ns(self) -> float | None: ...
    @property
    def sum_ns(self) -> int: ...
    @property
    def saturated(self) -> int: ...
    def quantile(self, q: float) -> float | None:
        """Return the ⌈q·count⌉-th smallest record in nanoseconds, within 0.1 %; None without records.

        Raises:
            ValueError: *q* is not within 0 to 1.
        """
    def quantile_interval(self, q: float, confidence: float = 0.95) -> tuple[float, float] | None:
        """Return where the quantile of the distribution behind the records lies, by order statistics.

        None where there are too few records for it: p99 at 95 % needs 368, p95 72, p50 6.
        """
    def count_above(self, value_ns: int) -> int:
        """Return how many records lie in buckets above that of *value_ns*."""
    def buckets(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
        """Return lowest value, highest value and count of each bucket that holds records, lowest first."""
    def to_bytes(self) -> bytes: ...
    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the histogram that `to_bytes` wrote; ValueError for anything else."""
    def __eq__(self, other: object) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes]]: ...

@final
class SliceTable:
    """Slices of many series, kept encoded; every method may be called from any thread. Windows are half-open."""

    def __init__(self) -> None: ...
    def add_series(self, kind: Literal["histogram", "counter", "gauge"]) -> int:
        """Return the number of a new series: 0, 1, 2, ..."""
    def append(self, *, second: int, series: Sequence[int], values: list[Histogram | float]) -> bytes:
        """Add one value per series to *second* and return the block that `load` takes.

        Raises:
            ValueError: A series that was never added, a value of the wrong kind, or one that is not finite; nothing is added.
            TypeError: A value that is neither a histogram nor a number.
        """
    def load(self, blocks: Sequence[tuple[int, bytes]]) -> None:
        """Add (second, block) pairs; ValueError names the first that cannot be read, with those before it added."""
    def span(self, series: Sequence[int] | None = None) -> tuple[int, int] | None: ...
    def histogram(self, series: Sequence[int], *, window: tuple[int, int] | None = None) -> Histogram: ...
    def total(self, series: Sequence[int], *, window: tuple[int, int] | None = None) -> float: ...
    def per_second(
        self, series: Sequence[int], *, window: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def quantile_per_second(
        self, series: Sequence[int], *, q: float, window: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def roll_up(self, *, width_s: int) -> SliceTable:
        """Return the same series in rows of *width_s* seconds: merged, added, and (gauges) averaged."""

@final
class Run:
    """One load run: native threads that carry a plan out and hand over what they saw, second by second.

    Every method may be called from any thread, also while another one waits in `next_tick`. A run that is dropped ends.
    """

    def __init__(self, *, plan_json: str) -> None:
        """Check and compile the plan of ARCHITECTURE.md; nothing starts yet.

        Raises:
            ValueError: Everything that is wrong with the plan, one line per problem.
        """
    def script(self) -> ScriptLine | None:
        """Return the line to the engine's thread, for a plan whose scenarios are in Python; None for any other."""
    def start(self, *, origin_ns: int | None = None, origin_unix_ns: int | None = None) -> None:
        """Start the threads; the schedule begins 5 ms later, or at *origin_ns* of `now_ns`, which is *origin_unix_ns* in Unix time.

        Processes that are given the same two times act as one.

        Raises:
            RuntimeError: Started before, or the operating system refused.
            ValueError: One of the two times without the other, or more than 600 s from now.
        """
    def next_tick(self, *, timeout_s: float) -> Tick | None:
        """Return the next second of the run, merged over its threads; None when it is not there in time, or all are out.

        Releases the GIL; Ctrl-C gets through within 50 ms.

        Raises:
            RuntimeError: Not started, or the operating system stopped one of the threads.
            ValueError: *timeout_s* is below 0.
        """
    @property
    def finished(self) -> bool:
        """Whether the last tick was handed out."""
    @property
    def threads(self) -> int: ...
    def set_level(self, *, per_s_or_users: float, at_ns: int | None = None) -> None:
        """From *at_ns* of `now_ns` on: so many starts per second (open) or users (closed), instead of the stages.

        Without *at_ns*, half a millisecond from now.

        A plan with `live` keeps the level until the next one or `stop`; any other until its stages would have ended.
        Users that are too many leave when their iteration ends.

        Raises:
            ValueError: Not within 0 to 1e9, or a time more than 600 s from now.
            RuntimeError: Not started.
        """
    def pause(self, *, at_ns: int | None = None) -> None:
        """Plan no more requests, from *at_ns* or at once, until `resume`; those in flight, or waiting for a connection, go on."""
    def resume(self, *, at_ns: int | None = None) -> None:
        """Go on, from *at_ns* or at once, where `pause` stopped; the schedule and its end move by the length of the pause."""
    def stop(self) -> None:
        """Start nothing more; what is in flight has the plan's grace time to end."""
    def abort(self) -> None:
        """Start nothing more and cut what is in flight (error kind `cut`)."""
    def set_addresses(self, *, origin: int, addresses: Sequence[str], took_ns: int | None) -> None:
        """The name of an origin (0 is the target) was looked up again: new connections go to these addresses alone.

        Raises:
            ValueError: An address that is none.
            RuntimeError: An origin that the plan does not have.
        """
    def refuse_addresses(self, *, origin: int, why: str, took_ns: int | None) -> None:
        """Open no connection to an origin until `set_addresses`: requests to it fail as `dns`, and *why* is their example."""
    def met(self) -> Met:
        """Return who tells of origins that requests and redirects lead to and the plan does not name.

        Whoever asks for its `fileno` answers each, with `set_addresses` or `refuse_addresses`; as long as nobody does, there are none.
        """
    def error_examples(self) -> dict[str, str]:
        """Return the first example of each error kind, of the ticks handed out so far."""
    def values(self) -> dict[str, str]:
        """Return, as JSON, the values that users held who left; only with the plan's `keep_values`."""
    def log(self) -> tuple[list[str], int]:
        """Return the first lines that scenarios logged in the ticks taken, and how many there were."""
    def in_flight(self) -> int:
        """Return how many requests are sent and not done, now."""

@final
class Met:
    """Tells of origins that a run has met; it outlives the run."""

    def fileno(self) -> int:
        """A file that is readable when `take` has something to say."""
    def take(self) -> list[tuple[int, str, str, int]] | None:
        """Return number, scheme, host and port of those that were met since the last time; None once the run is gone."""

@final
class Tick:
    """What the run saw within one second; the first and the last second are partial ones."""

    @property
    def second(self) -> int:
        """Unix time of the second's beginning."""
    @property
    def last(self) -> bool:
        """Whether the run is over."""
    @property
    def slices(
        self,
    ) -> list[
        tuple[str, tuple[tuple[str, str], ...], str, Literal["histogram", "counter", "gauge"], Histogram | float]
    ]:
        """Name, labels, unit, kind and value of each series: docs/reference/series.md."""

@final
class NullServer:
    """A server of known behaviour on loopback, to calibrate the engine and to prove it; listens once it is made.

    With *servers* slots and exponential *service* it is an M/M/c queue in real time. With *stall_every_ns* it stops
    altogether for *stall_for_ns*, again and again. A request for a WebSocket gets one that says every message again;
    one for `/events?count=100&every_us=20000` gets server-sent events, each with the Unix time at which it was written (`sent_ns`).
    """

    def __init__(
        self,
        *,
        body_bytes: int = 2,
        status: int = 200,
        stall_every_ns: int | None = None,
        stall_for_ns: int = 0,
        service_time_ns: int = 0,
        service: Literal["fixed", "exponential"] = "fixed",
        servers: int | None = None,
        seed: int = 1,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Listen on *address*, which must be loopback; *port* 0 takes a free one.

        Raises:
            ValueError: A value that cannot be.
            OSError: An address beyond loopback, or no port or thread to be had.
        """
    @property
    def port(self) -> int: ...
    @property
    def requests(self) -> int:
        """Requests received completely."""
    @property
    def messages(self) -> int:
        """WebSocket messages received, each to be said again."""
    @property
    def requests_by_path(self) -> dict[str, int]:
        """The same by path, query included; beyond 10,000 paths as `(other)`."""
    @property
    def gaps(self) -> Histogram:
        """Times between a request read and the one read before it, over all connections: a copy."""
    def stop(self) -> None:
        """Close every connection and end; a second call does nothing."""

def proto_descriptors(path: str, *, import_paths: Sequence[str]) -> bytes:
    """Return the encoded `FileDescriptorSet` of a `.proto` file and what it imports, from beside it or from *import_paths*.

    Raises:
        ValueError: A file is missing or wrong; with file, line and column where that can be told.
    """

def grpc_problems(descriptors: bytes, *, method: str, message: str, streams: bool) -> list[str]:
    """Return what is wrong with a call of *method* (`package.Service/Method`), each as `field: reason`.

    Args:
        descriptors: What `proto_descriptors` returned.
        message: JSON that may hold templates; what stands in them is not judged.
        streams: Whether the step reads the answer as a stream.
    """

def condition_names(text: str) -> list[str]:
    """Return the names that a condition of a plan asks for, without built-in ones.

    Raises:
        ValueError: It is no condition; the text says at which column, with a caret below it.
    """

def schedule_preview(
    *,
    stages: Sequence[tuple[int, float, float]],
    arrivals: Literal["constant", "poisson", "gamma"],
    seed: int,
    thread: int = 0,
    threads: int = 1,
    limit: int = 100_000,
    gamma_shape: float = 1.0,
) -> list[int]:
    """Return when one thread of a run plans its starts, in ns from the start; a stage is (duration_ns, from, to)."""

def users_at(*, stages: Sequence[tuple[int, float, float]], at_ns: int) -> int:
    """Return how many users a closed load has at a moment; a stage is (duration_ns, from, to)."""

def now_ns() -> int:
    """Return the engine's clock: nanoseconds of the system's monotonic clock, the same in every process of a machine."""

def pack_block(*, series: Sequence[int], values: list[Histogram | float]) -> bytes:
    """Return one second's slices, one value per series number, as the bytes that a recording keeps and processes exchange.

    Raises:
        ValueError: A value that is not finite, or not as many values as series.
        TypeError: A value that is neither a histogram nor a number.
    """

def unpack_block(block: bytes, /) -> list[tuple[int, Histogram | float]]:
    """Return what `pack_block` packed; ValueError for anything else."""

def json_first(body: bytes, path: str, /) -> str | None:
    """Return the first value that a JSONPath finds in *body*, as JSON; None where there is none, or the body is no JSON.

    Raises:
        ValueError: Not a JSONPath.
    """

class Awaited:
    """Something asked of the engine, to be awaited: for a task of asyncio (or uvloop) it is a future.

    Whoever waits is woken directly when the engine's word is there, in the task's own context, without `call_soon`.
    """

    _asyncio_future_blocking: bool
    def __await__(self) -> Generator[Any, None, Any]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def __class_getitem__(cls, item: Any, /) -> Any: ...
    def get_loop(self) -> Any: ...
    def add_done_callback(self, callback: Callable[..., Any], *, context: Any = None) -> None: ...
    def remove_done_callback(self, callback: Callable[..., Any]) -> int: ...
    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def result(self) -> Any: ...
    def exception(self) -> BaseException | None: ...
    def cancel(self, msg: Any = None) -> bool:
        """Give it up; a request's connection is closed. Return False when it is done already."""

@final
class Response(Awaited):
    """A request that was asked for and, once awaited, its answer."""

    def __await__(self) -> Generator[Any, None, Self]: ...
    @property
    def status(self) -> int: ...
    @property
    def content(self) -> bytes:
        """The body, content codings undone."""
    @property
    def text(self) -> str:
        """The body in the charset that its content type names, else UTF-8; what cannot be decoded is replaced."""
    def json(self) -> Any:
        """Return the body, read as JSON.

        Raises:
            ValueError: It is none.
        """
    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case; several of one name are joined by a comma."""
    def header_values(self, name: str) -> list[str]:
        """Return the values of all headers of one name, in order."""
    @property
    def set_cookies(self) -> list[tuple[int, str]]:
        """Origin's number and value of each set-cookie header: those of the redirects on the way, then its own."""
    @property
    def head(self) -> bytes:
        """Status line and headers, in the form of HTTP/1.1."""
    @property
    def elapsed_ns(self) -> int:
        """Service time: from the send to the last byte."""
    @property
    def stream(self) -> StreamTotals | None:
        """What its events were as a whole, where it was asked for as a stream; `content` is then the last one's data."""
    @property
    def step(self) -> int:
        """The number of the step it counts as."""
    def expect(
        self,
        status: int | str | Collection[int] | None = None,
        *,
        contains: str | Sequence[str] | None = None,
        matches: str | None = None,
        json: Mapping[str, Any] | None = None,
        header: str | Mapping[str, str | None] | None = None,
    ) -> Self:
        """Hold the answer to all that is given, or raise, which counts the request as failed and ends the iteration.

        Args:
            status: One, several, or a class such as '2xx'.
            contains: Texts that the body holds.
            matches: A regular expression that is found in the body.
            json: JSONPath → the value that is there; None asks only that there is one.
            header: A header that is there, or names → text that the value holds.

        Raises:
            ExpectationFailed: The first that is broken.
        """
    def count_failure(self, kind: str, text: str) -> None:
        """Count a failure of this answer, at most one."""

class Incoming:
    """What came over a call that lasts: an event or a message."""

    @property
    def content(self) -> bytes: ...
    @property
    def text(self) -> str: ...
    def json(self) -> Any:
        """Return its data, read as JSON.

        Raises:
            ValueError: It is none.
        """
    @property
    def elapsed_ns(self) -> int:
        """As the engine saw it, from the send that it answers; of a message of a loop over the socket, from the opening, and of one that
        answers nothing, from the beginning of the wait.
        """

@final
class StreamEvent(Incoming):
    """One event of an answer."""

    @property
    def name(self) -> str:
        """Its name (`event:`); empty where it has none."""

@final
class StreamTotals:
    """An answer in events, as a whole; times in nanoseconds."""

    @property
    def first_ns(self) -> int | None:
        """From the send to the first event; None where none came."""
    @property
    def gaps_ns(self) -> list[int]:
        """From each event to the next; the first 10,000."""
    @property
    def total_ns(self) -> int:
        """From the send to the end."""
    @property
    def events(self) -> int: ...
    @property
    def ttft_ns(self) -> int | None:
        """From the send to a language model's first content."""
    @property
    def tpot_ns(self) -> int | None:
        """Per output token after the first."""
    @property
    def tokens(self) -> dict[str, int] | None:
        """`input` and `output` of a language model's answer: as it told, else events with content are the output."""
    @property
    def tokens_input(self) -> int | None: ...
    @property
    def tokens_output(self) -> int | None: ...
    @property
    def good(self) -> bool | None:
        """Within every limit of `goodput`; None without limits."""

@final
class Message(Incoming):
    """One message on a WebSocket."""

    @property
    def is_binary(self) -> bool: ...

@final
class MessageFits:
    """What a message must be to be the one that is waited for."""

    def __init__(self, text: str) -> None:
        """Read the plan's form, as JSON.

        Raises:
            ValueError: What cannot be understood.
        """

@final
class ScriptChannel:
    """A call that lasts: its answer is taken event by event."""

    @property
    def response(self) -> Response:
        """The answer, to be awaited: it is there when all is over."""
    @property
    def status(self) -> int: ...
    def begun(self) -> Awaited:
        """Wait until the answer has begun; raises what the call failed with."""
    def __aiter__(self) -> ScriptChannel: ...
    def __anext__(self) -> Awaitable[StreamEvent]: ...
    def say(self, message: bytes, binary: bool, step: int) -> Awaited:
        """Send a message; awaiting waits only where much waits for the server to read."""
    def hear(self, step: int, timeout_ns: int | None, fits: MessageFits | None) -> Awaited:
        """Wait for a message; behind `say`, for its answer."""
    def ping(self, step: int, timeout_ns: int | None) -> Awaited:
        """Send a ping; the result is the nanoseconds to its pong."""
    def close(self, code: int, reason: str) -> None:
        """End the socket; the response is there when the server has agreed."""
    @property
    def close_code(self) -> int | None: ...
    @property
    def dropped(self) -> int: ...
    def header(self, name: str) -> str | None:
        """A header of the answer's head; its name in lower case."""
    def room(self) -> Awaited:
        """Wait until the next piece of the body may be put: True, or False where no more is taken."""
    def put(self, piece: bytes, last: bool) -> None:
        """Send the next piece of the body; once for each `room`."""
    def fail(self, error: BaseException) -> None:
        """Give the call up; *error* is raised where its answer is awaited."""
    def enough(self) -> None:
        """Want nothing more of it: the answer is over."""

@final
class PreparedRequest:
    """A request that is ready to be sent, as often as it is wanted."""

    def __init__(
        self,
        line: ScriptLine,
        *,
        step: int,
        method: str,
        path: str,
        headers: Sequence[tuple[str, str]],
        origin: int = 0,
        body: bytes | None = None,
        timeout_ns: int | None = None,
        follows_redirects: bool = True,
        stream: str | None = None,
        hands_over: bool = False,
        uploads: bool = False,
        upload_bytes: int | None = None,
        socket: Sequence[str] | None = None,
    ) -> None:
        """Add the plan's headers to its own.

        Raises:
            ValueError: A method, path or header that cannot be sent.
        """

class ScriptUser:
    """What a user of a Python scenario asks the engine for."""

    parting: bool
    grouped: int
    headers: dict[str, str]
    jar: Any
    def __init__(self, *, line: ScriptLine, user: int, number: int, late_ns: int) -> None: ...
    @property
    def id(self) -> int:
        """The user's number, its own until it is gone."""
    @property
    def number(self) -> int:
        """The iteration's number, unique in the whole run."""
    @property
    def line(self) -> ScriptLine: ...
    @property
    def is_bare(self) -> bool:
        """Nothing of the user's own goes into each request: no group, jar or headers."""
    def get(self, path: str, **options: Unpack[Options]) -> Response:
        """Send a GET; awaiting it gives the answer, which is the same object."""
    def head(self, path: str, **options: Unpack[Options]) -> Response:
        """Send a HEAD."""
    def options(self, path: str, **options: Unpack[Options]) -> Response:
        """Send an OPTIONS."""
    def post(self, path: str, **options: Unpack[Options]) -> Response:
        """Send a POST."""
    def put(self, path: str, **options: Unpack[Options]) -> Response:
        """Send a PUT."""
    def patch(self, path: str, **options: Unpack[Options]) -> Response:
        """Send a PATCH."""
    def delete(self, path: str, **options: Unpack[Options]) -> Response:
        """Send a DELETE."""
    def send(self, request: PreparedRequest) -> Response: ...
    def open(self, request: PreparedRequest) -> ScriptChannel: ...
    def rest(self, for_ns: int) -> Awaited:
        """Wait until the engine's clock has moved by so much; cancelled when the run ends before."""

@final
class Life(Coroutine[Any, Any, None]):
    """One user's life, for its task: it comes (`on_start`), its iterations follow one another, it goes (`on_stop`)."""

    def __init__(
        self,
        *,
        line: ScriptLine,
        user: ScriptUser,
        scenario: int,
        functions: list[Callable[[Any], Awaitable[Any]]],
        on_start: Callable[[Any], Awaitable[Any]] | None,
        on_stop: Callable[[Any], Awaitable[Any]] | None,
        ended_by: Callable[[BaseException, int], bool],
    ) -> None:
        """*ended_by* takes in what a part has raised, and its scenario; it says whether the user waits a little, or raises."""
    def __await__(self) -> Generator[Any, Any]: ...
    def __next__(self) -> Any: ...
    def send(self, value: Any) -> Any: ...
    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any: ...
    def close(self) -> None: ...

@final
class ScriptLine:
    """One event loop's line to the engine's thread.

    Attributes:
        got_through: Some iteration came to its end, by itself or by an expectation that was not met.
    """

    got_through: bool

    @property
    def fd(self) -> int:
        """Readable while something waits for `on_ready`."""
    def attach(
        self,
        *,
        event_loop: Any,
        begin: Callable[[int, int, int, int], Any],
        over: Callable[[], Any],
        cookies: Callable[[Any, Response], Any],
        failure: Callable[[str, str], BaseException],
        expect: Callable[..., Any],
    ) -> None:
        """Say who is called: for a user that arrives (user, number, scenario, ns late), at the end, for an answer that
        sets cookies (its user), to make the error of a failed request (kind, text), and to look at an answer closely.

        Raises:
            RuntimeError: Attached before.
        """
    def on_ready(self) -> None:
        """Give out what the engine has told; raises what a waiter raised, once all others were told."""
    def remember(self, method: str, path: str, request: PreparedRequest) -> None:
        """Send *request* wherever a user that is bare asks for this method and path without options."""
    def add_user(self, user: ScriptUser) -> None: ...
    def step(self, name: str, tags: Sequence[tuple[str, str]] = ...) -> int:
        """Return the number of the step of this name and tags; beyond 1,000 all are one, `other`."""
    def origin(self, url: str) -> int:
        """Return the number of the origin of a whole URL; one that is new is looked up beside the run, and requests wait for it.

        Raises:
            ValueError: No http or https URL, or an origin too many.
        """
    def series(
        self,
        name: str,
        labels: Sequence[tuple[str, str]],
        unit: str,
        kind: Literal["histogram", "counter", "gauge"],
    ) -> int:
        """Return the number of a series of the script's own."""
    def record(self, series: int, value: float) -> None: ...
    def fail(self, step: int, kind: str, text: str) -> None:
        """Count a failure of a step that no answer shows."""
    @property
    def forgotten(self) -> tuple[int, int | None]:
        """How many requests nobody waited for, and the step of the first."""

def compress(data: bytes) -> bytes:
    """Return *data* compressed with Zstandard."""

def decompress(data: bytes, *, bytes_max: int) -> bytes:
    """Return what `compress` was given.

    Raises:
        ValueError: It is not Zstandard, or longer than *bytes_max*.
    """

@final
class Packer:
    """Compresses many things with Zstandard at *level*, with what the work needs set up once."""

    def __init__(self, level: int) -> None: ...
    def compress(self, data: bytes) -> bytes: ...

@final
class MemoryTable:
    """Objects by key with times and tags; at most *entries*, those asked for again outlive those that are not (S3-FIFO).

    Times are nanoseconds of the process's monotonic clock since the table was made, unless *now_ns* is given, always or never.
    """

    def __init__(self, *, entries: int) -> None: ...
    def get(self, key: str, default: Any, now_ns: int | None = None) -> Any:
        """Return what is fresh under *key*, else *default*; `look` says what else there is."""
    def look(
        self, key: str, now_ns: int | None = None
    ) -> tuple[Any, Literal["fresh", "due", "stale"], int, int] | None:
        """Return value, state, ns it took to load, and ns until it is stale; counts nothing."""
    def put(
        self,
        key: str,
        value: Any,
        *,
        due_in_ns: int,
        stale_in_ns: int,
        gone_in_ns: int,
        load_ns: int = 0,
        tags: Sequence[str] = ...,
        now_ns: int | None = None,
    ) -> None:
        """Keep *value*: fresh until *due_in_ns*, to be used until *stale_in_ns*, there until *gone_in_ns*."""
    def prolong(self, key: str, fresh_in_ns: int, now_ns: int | None = None) -> None:
        """Let what is under *key* be fresh for so long from now, but there no longer than it was to be."""
    def remove(self, key: str) -> bool: ...
    def remove_tag(self, tag: str) -> int:
        """Drop every entry that has *tag*; return how many."""
    def clear(self) -> None: ...
    def counts(self) -> tuple[int, int, int, int, int]:
        """Return hits, stale hits, misses, evicted and invalidated entries since the table was made."""
    def __len__(self) -> int: ...

@final
class Tombstones:
    """The latest *most* invalidations by version; for what is older than those it remembers it refuses."""

    def __init__(self, *, most: int = 100_000) -> None: ...
    @property
    def horizon(self) -> int:
        """The version up to which every invalidation has been told: what a load that begins now has seen at least."""
    def reach(self, version: int) -> None: ...
    def bury(self, name: str, version: int) -> None:
        """Remember that the key or tag *name* changed at *version*."""
    def bury_all(self, version: int) -> None: ...
    def admits(self, names: Sequence[str], version: int) -> bool:
        """Return whether what was loaded at *version* may be kept under *names*: its key and its tags."""

@final
class RateTable:
    """The generic cell rate algorithm for many keys: *burst* events at once, one more each *interval_ns*.

    Beyond *keys* keys those that would be free soonest are forgotten.
    """

    def __init__(self, *, interval_ns: int, burst: int, keys: int = 100_000) -> None: ...
    def allows(self, key: str, cost: int = 1, now_ns: int | None = None) -> bool: ...
    def check(self, key: str, cost: int = 1, now_ns: int | None = None) -> tuple[bool, int, int | None, int]:
        """Return whether it passes, how many more would, ns until it would (None: never), ns until the burst is whole."""
    def judge(
        self, key: str, cost: int, quota: _Q, now_ns: int | None = None
    ) -> tuple[bool, int, float | None, float, _Q]:
        """Do what `check` does, and return it in seconds together with *quota*."""
    def counts(self) -> tuple[int, int]:
        """Return how many events passed and how many did not."""
    def __len__(self) -> int: ...

@final
class Redactor:
    """JSON without the members of certain names, however deep; case, `_` and `-` of names do not count."""

    def __init__(self, names: Sequence[str]) -> None: ...
    def redact(self, json: bytes) -> bytes:
        """Return *json* without them; the same object where it has none.

        Raises:
            ValueError: It is not JSON, or nested deeper than 256; at which byte.
        """
