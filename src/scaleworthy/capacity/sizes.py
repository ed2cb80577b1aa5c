"""The four sizes at which growth is asked about, and what is assumed about the people who use the service.

Units:    requests per second, per minute where the name says so; bytes; ratios 0 to 1; prices in the book's currency.
"""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.units import three_digits

GB = 10**9
SECONDS_PER_MONTH = 86_400 * 365 / 12


@dataclass(frozen=True, slots=True)
class Size:
    """One size of the service: people who have an account, people at once, business events a day, data kept."""

    name: str
    users: int
    concurrent: int
    queries_per_day: int
    data_bytes: int


SIZES = (
    Size("baseline", 100, 10, 500, 10 * GB),
    Size("10×", 1_000, 100, 5_000, 100 * GB),
    Size("100×", 10_000, 1_000, 50_000, 1_000 * GB),
    Size("enterprise", 100_000, 10_000, 500_000, 10_000 * GB),
)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the growth plan takes for granted; each of it can be set, and all of it is printed.

    Attributes:
        requests_per_user_per_minute: Of a concurrent user. One request in ten seconds is a person clicking through.
        peak_factor: The busiest minute over the ordinary busy hour; 2 to 3 is what products see.
        mean_to_peak: Mean load of a month over its peak: nights, weekends.
        utilisation_most: Share of a server's cores in use at the peak; more makes queues, see docs/capacity.md.
        spare_from_users: From this many users on nothing may hang on one machine: two application servers at least,
            a standby of the database, a second cache node.
        storage_factor: Disk provisioned over data kept (free space, write-ahead log, room to rebuild an index).
        hot_ratio: Share of the data that requests touch again and again, and that should fit the database's memory.
        replicas_most: Read replicas of one primary.
        users_now: Users behind the data measured; None takes the database as it was found for the first size's.
        core_ratio: Speed of a rented core over a core of the measured machine.
    """

    sizes: tuple[Size, ...] = SIZES
    requests_per_user_per_minute: float = 6.0
    peak_factor: float = 2.0
    mean_to_peak: float = 0.2
    utilisation_most: float = 0.65
    spare_from_users: int = 1_000
    storage_factor: float = 1.5
    hot_ratio: float = 0.05
    replicas_most: int = 15
    users_now: int | None = None
    core_ratio: float = 1.0

    def peak_per_s(self, size: Size) -> float:
        """Return the requests per second to be ready for.

        From concurrent users, not from queries per day: the latter, spread over a day, are less than one a second up to
        10,000 users, and no service meets them spread over a day.
        """
        return size.concurrent * self.requests_per_user_per_minute / 60 * self.peak_factor

    def requests_per_month(self, size: Size) -> float:
        """Return the requests of a month, from the peak and its relation to the mean."""
        return max(
            self.peak_per_s(size) * self.mean_to_peak * SECONDS_PER_MONTH,
            size.queries_per_day * SECONDS_PER_MONTH / 86_400,
        )

    def growth_ratio(self, size: Size) -> float:
        """Return how many times the data measured this size has."""
        if self.users_now is not None:
            return size.users / self.users_now
        return size.data_bytes / self.sizes[0].data_bytes

    def data_bytes(self, size: Size, measured_bytes: float | None) -> int:
        """Return the data of a size: as measured per user where both are known, otherwise the table's."""
        if self.users_now is not None and measured_bytes is not None:
            return round(measured_bytes * size.users / self.users_now)
        return size.data_bytes

    def sentences(self) -> tuple[str, ...]:
        """Return the assumptions in words, for the report."""
        behind = (
            f"the data measured belong to {self.users_now:,} users"
            if self.users_now is not None
            else f"the database as measured is taken for that of the size '{self.sizes[0].name}'"
        )
        core = f"a rented core is {three_digits(self.core_ratio)} of a core of the measured machine"
        return (
            f"A concurrent user makes {three_digits(self.requests_per_user_per_minute)} requests a minute.",
            (
                f"The peak is {three_digits(self.peak_factor)} times that; the mean of a month is "
                f"{three_digits(self.mean_to_peak)} of the peak."
            ),
            f"Servers are planned for {100 * self.utilisation_most:.0f} % of their cores in use at the peak; {core}.",
            f"From {self.spare_from_users:,} users on, no part runs on one machine alone.",
            (
                f"Disk is {three_digits(self.storage_factor)} times the data; {100 * self.hot_ratio:.0f} % of the data "
                f"should fit the database's memory; {behind}."
            ),
        )
