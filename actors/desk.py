"""What the strategies of one account share: refs to speak to, tables to read, topics to follow. Made by `tree.py`.

Tables are written by one actor each and read by anybody, synchronously: one loop, immutable values, no copies to keep
in step. Commands go to actors as messages.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from dogwatch.actors.account import Account
from dogwatch.actors.balance_table import BalanceTable
from dogwatch.actors.book_table import BookTable
from dogwatch.actors.feeds import Balances, Books, Feed, Fills, MarketFeed, OrderChanges, Ticks
from dogwatch.actors.following import Following
from dogwatch.actors.halt import HaltSwitch
from dogwatch.actors.interest import Interests
from dogwatch.actors.order_table import OrderTable
from dogwatch.actors.order_topics import OrderTopics
from dogwatch.actors.orders import Orders
from dogwatch.actors.session_messages import Speaker
from dogwatch.actors.symbols import SymbolTable
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.logger import Logger
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.topic import Topic

if TYPE_CHECKING:
    from dogwatch.actors.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One account's desk."""

    speaker: ActorRef[Speaker]
    orders: ActorRef[Orders]
    account: ActorRef[Account]
    order_table: OrderTable
    order_topics: OrderTopics
    halts: HaltSwitch
    symbols: SymbolTable
    balances: BalanceTable
    interest: Interests
    books: BookTable
    clock: Clock


class Context:
    """What one life of a strategy is given: who it is, its configuration, the desk, and the feeds that it follows."""

    def __init__(self, *, name: str, life: int, config: "Strategy.Config", desk: Desk, log: Logger) -> None:
        self.name = name
        self.life = life
        self.config = config
        self.desk = desk
        self.log = log
        self._followings: WeakSet[Following[Any]] = WeakSet()

    def follow(self, feed: Feed[Any]) -> Following[Any]:
        """Follow a feed until the iterator is closed, forgotten, or this life ends."""
        topic = self.join(feed)
        following: Following[Any] = Following(feed, feed.subscription(topic), lambda: self.leave(feed))
        self._followings.add(following)
        return following

    def join(self, feed: Feed[Any]) -> Topic[Any]:
        """The topic of a feed, wanted from now on. Every call is undone by one `leave`. Raises as `check` does."""
        if isinstance(feed, MarketFeed):
            return self.desk.interest.follow(feed.stream)
        if isinstance(feed, Books):
            return self.desk.books.follow(feed)
        if isinstance(feed, Fills):
            return self.desk.order_topics.of(self.name).fills
        if isinstance(feed, OrderChanges):
            return self.desk.order_topics.of(self.name).changes
        if isinstance(feed, Balances):
            return self.desk.balances.changes
        if isinstance(feed, Ticks):
            raise TypeError(
                "Ticks are for handlers, in feeds(); in straight-line code write: await trio.sleep(seconds)"
            )
        raise TypeError(f"{feed!r} is no feed: use Quotes, Trades, Klines, Books, Fills, OrderChanges or Balances")

    def check(self, feed: Feed[Any]) -> None:
        """Raises ConfigError for a feed that cannot be followed here."""
        if isinstance(feed, MarketFeed):
            self.desk.interest.check(feed.stream)

    def leave(self, feed: Feed[Any]) -> None:
        """Want it no longer."""
        if isinstance(feed, MarketFeed):
            self.desk.interest.release(feed.stream)
        elif isinstance(feed, Books):
            self.desk.books.release(feed)

    def close(self) -> None:
        """The life has ended: nothing is followed any more."""
        for following in tuple(self._followings):
            following.close()
