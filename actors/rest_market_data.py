"""Market data over REST: asks, again and again, for what is followed, and publishes what is new, each to its topic.

Who follows sees the topics that market_data.py fills from streams. What to ask, and what of an answer is an event, is
in `spot/market_questions.py`; here is when. Books come as snapshots, in place of order_books.py.
"""

from functools import partial
from typing import Any, ClassVar, TypeVar

import trio

from dogwatch.actors.book_table import BookTable
from dogwatch.actors.feeds import BookLost
from dogwatch.actors.interest import Interest
from dogwatch.actors.look_after import LOOK_LANE, LookAfter, look_soon
from dogwatch.actors.market_data import LINGER_S, LOOK_EVERY_S
from dogwatch.actors.rate_limiter import RateLimiter
from dogwatch.actors.session_messages import Speaker
from dogwatch.actors.spot.errors import NotSent, Rejected
from dogwatch.actors.spot.market_questions import BooksQuestion, Question, questions_for
from dogwatch.actors.spot.order_book import OrderBook
from dogwatch.actors.spot.request import Request
from dogwatch.actors.spot.request_costs import Priority, cost_of
from dogwatch.actors.spot.stream_overlap import Hole
from dogwatch.actors.spot_client import Spot
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import DogwatchError
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.messages import Gap
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.topic import Topic

__all__ = ["RestMarketData"]

ResultT = TypeVar("ResultT")

ANSWER_WITHIN_S = 10.0
ASKED_AT_ONCE_MAX = 8
"""So many questions are on their way at most: orders and questions about them go over the same wire."""
WEIGHT_SHARE = 1 / 2
"""What part of the weight that its lane may use market data takes, which is a third of the limit: with many feeds it is
asked for less often."""
PAUSE_S_MIN, PAUSE_S_MAX = 1.0, 30.0
"""After a question without an answer, doubling."""
NO_SUCH_SYMBOL = frozenset({-1100, -1121})
"""For one unknown symbol of several the exchange refuses to answer for all."""


class Asked:
    """A question that is being asked. `weight` is what it has cost the last time, `failure` why it has no answer."""

    def __init__(self, question: Question, spot: Spot) -> None:
        self.question = question
        self.scope = trio.CancelScope()
        self.weight = 0
        self.failure = ""
        self.is_answered = False
        self._spot = spot
        self._spent = 0

    async def ask(self, request: Request[ResultT], /) -> ResultT:
        """Make one request of this question, behind everything else that is to be sent."""
        self._spent += cost_of(request.declaration.method, request.params()).weight
        return await self._spot.call(request, within_s=ANSWER_WITHIN_S, lane=Priority.BULK)

    def end(self, failure: str = "") -> None:
        """It was asked once more, and answered if there is no failure."""
        self.weight, self._spent = self._spent, 0
        self.failure, self.is_answered = failure, not failure

    def __str__(self) -> str:
        first, *others = self.question.streams
        return f"{first} and {len(others)} more" if others else first


class RestMarketData(Actor):
    """Asks for each stream of `interest` and each book of `books` every `poll_every_s` seconds, or as often as a part
    of the limits allows; less and less often while there is no answer.

    Who follows a stream first sees what is new from the first answer on. Of trades those that have come between two
    answers are published all, and a Gap with their number where there were too many.
    """

    lanes: ClassVar[tuple[Lane, ...]] = (LOOK_LANE,)

    def __init__(
        self,
        *,
        speaker: ActorRef[Speaker],
        limiter: RateLimiter,
        interest: Interest,
        books: BookTable,
        poll_every_s: float = 1.0,
    ) -> None:
        self._spot = Spot(speaker)
        self._limiter = limiter
        self._interest = interest
        self._books = books
        self._poll_every_s = poll_every_s
        self._places = trio.CapacityLimiter(ASKED_AT_ONCE_MAX)
        self._asked: dict[Any, Asked] = {}
        self._by_stream: dict[str, Asked] = {}
        self._book_topics: dict[str, Topic[OrderBook | BookLost]] = {}
        self._apart: set[str] = set()
        self._is_slowed = False
        self._answers = self._unanswered = self._missed = 0

    async def on_start(self) -> None:
        self._interest.changed = self._books.changed = partial(look_soon, self.ref)
        self._interest.is_served = self._is_served
        self._ask_for_what_is_wanted()
        self.tell_every(LOOK_EVERY_S, LookAfter())

    def statistics(self) -> dict[str, Any]:
        return {
            "streams": len(self._by_stream),
            "questions": len(self._asked),
            "answers": self._answers,
            "unanswered": self._unanswered,
            "missed": self._missed,
            "every_s": round(self._every_s(), 3),
            "events": self._interest.events,
        }

    def summary(self) -> str:
        streams = self._by_stream.values()
        count = f"{len(streams)} feed{'' if len(streams) == 1 else 's'}"
        silent = sum(bool(asked.failure) for asked in streams)
        return f"{count}, {silent} silent" if silent else count

    def on_look_after(self, _message: LookAfter) -> None:
        self._ask_for_what_is_wanted()

    # What is wanted.

    def _ask_for_what_is_wanted(self) -> None:
        wanted = {question.key: question for question in self._questions()}
        for key in self._asked.keys() - wanted.keys():
            self._asked.pop(key).scope.cancel()
        for key, question in wanted.items():
            if key not in self._asked:
                asked = self._asked[key] = Asked(question, self._spot)
                self.tasks.start_soon(self._keep_asking, asked)
        self._by_stream = {name: asked for asked in self._asked.values() for name in asked.question.streams}
        self._apart &= {symbol for question in wanted.values() for symbol in question.symbols}
        self._show_books_to_newcomers()

    def _questions(self) -> list[Question]:
        now_s = trio.current_time()
        questions = questions_for(self._interest.wanted(now_s, linger_s=LINGER_S), apart=self._apart)
        self._book_topics = {}
        for symbol, feeds in self._books.wanted(now_s).items():
            self._book_topics |= {topic.name: topic for topic in feeds.values()}
            questions.append(BooksQuestion(symbol, {topic.name: feed.depth for feed, topic in feeds.items()}))
        return questions

    def _show_books_to_newcomers(self) -> None:
        """Who follows a book that others follow already sees it at once; it may stand still for long."""
        for feeds in self._books.wanted(trio.current_time()).values():
            for feed, topic in feeds.items():
                if feed in self._books.fresh and isinstance(topic.last, OrderBook):
                    topic.publish(topic.last)
        self._books.fresh.clear()

    def _is_served(self, stream: str) -> bool:
        asked = self._by_stream.get(stream)
        return asked is not None and asked.is_answered

    # Asking.

    async def _keep_asking(self, asked: Asked) -> None:
        pause_s = PAUSE_S_MIN
        with asked.scope:
            while True:
                began_s = trio.current_time()
                try:
                    async with self._places:
                        told = await asked.question.tell(asked.ask, self._newest)
                except DogwatchError as failure:
                    wait_s = max(pause_s, _room_in_s(failure), self._limiter.quiet_s())
                    pause_s = min(2 * pause_s, PAUSE_S_MAX)
                    self._note_failure(asked, failure, wait_s)
                else:
                    wait_s, pause_s = 0.0, PAUSE_S_MIN
                    self._note_answer(asked)
                    for name, event in told:
                        self._publish(name, event)
                await self._sleep_until_due(began_s, trio.current_time() + wait_s)

    async def _sleep_until_due(self, began_s: float, earliest_s: float) -> None:
        """The period may change meanwhile, with what others follow."""
        while True:
            left_s = max(earliest_s, began_s + self._every_s()) - trio.current_time()
            if left_s <= 0:
                return
            await trio.sleep(min(left_s, LOOK_EVERY_S))

    def _every_s(self) -> float:
        """How often each question is asked, so that the weight of all stays within its share."""
        weight = sum(asked.weight for asked in self._asked.values())
        return max(self._poll_every_s, self._limiter.round_s(weight, Priority.BULK, share=WEIGHT_SHARE))

    def _note_pace(self) -> None:
        if not all(asked.weight for asked in self._asked.values()):
            return  # what all of it weighs is not known yet
        every_s, was_slowed = self._every_s(), self._is_slowed
        self._is_slowed = every_s > self._poll_every_s
        if self._is_slowed and not was_slowed:
            hint = "the request weight does not do for more: follow less, or have market data come over websocket"
            self.log.warning("market data is asked for less often", every_s=round(every_s, 1), hint=hint)

    def _note_failure(self, asked: Asked, failure: DogwatchError, wait_s: float) -> None:
        self._unanswered += 1
        if not asked.failure:
            hint, retry_in_s = failure.hint, round(wait_s, 1)
            self.log.warning("no market data", of=str(asked), reason=failure.message, hint=hint, retry_in_s=retry_in_s)
        asked.end(failure.message)
        symbols = asked.question.symbols
        if isinstance(asked.question, BooksQuestion):
            self._tell_books_lost(asked.question, failure.message)
        elif isinstance(failure, Rejected) and failure.code in NO_SUCH_SYMBOL and len(symbols) > 1:
            self._apart.update(symbols)
            look_soon(self.ref)

    def _note_answer(self, asked: Asked) -> None:
        self._answers += 1
        if asked.failure:
            self.log.info("market data again", of=str(asked))
        asked.end()
        self._note_pace()
        if len(asked.question.symbols) == 1:
            self._apart.discard(asked.question.symbols[0])  # it joins the others when that is looked at again

    # Publishing.

    def _newest(self, name: str) -> Any:
        topic = self._topic(name)
        return None if topic is None else topic.last

    def _topic(self, name: str) -> Topic[Any] | None:
        return self._interest.topic(name) or self._book_topics.get(name)

    def _publish(self, name: str, event: Any) -> None:
        topic = self._topic(name)
        if topic is None:
            return
        if isinstance(event, Hole):
            self._missed += event.size
            topic.publish(Gap(lane=name, dropped=event.size))
        else:
            self._interest.events += 1
            topic.publish(event)

    def _tell_books_lost(self, question: BooksQuestion, reason: str) -> None:
        """What a book looks like is not known while it cannot be asked for."""
        for name, depth in question.depths.items():
            topic = self._topic(name)
            if topic is not None and not isinstance(topic.last, BookLost):
                topic.publish(BookLost(symbol=question.symbols[0], depth=depth, reason=reason))


def _room_in_s(failure: DogwatchError) -> float:
    return (failure.retry_after_s if isinstance(failure, NotSent) else None) or 0.0
