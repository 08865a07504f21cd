"""What the exchange says of its limits: how large they are, and how much of them is used."""

from dogwatch.actors.spot.enums import RateLimitInterval, RateLimitType
from dogwatch.actors.spot.envelope import RateLimitUsage
from dogwatch.actors.spot.exchange_info import RateLimit


def limit(kind: str, interval: str, count: int, most: int) -> RateLimit:
    return RateLimit(
        rate_limit_type=RateLimitType(kind), interval=RateLimitInterval(interval), interval_count=count, limit=most
    )


def usage(kind: str, interval: str, intervals: int, most: int, count: int) -> RateLimitUsage:
    return RateLimitUsage(
        rate_limit_type=RateLimitType(kind),
        interval=RateLimitInterval(interval),
        interval_count=intervals,
        limit=most,
        count=count,
    )
