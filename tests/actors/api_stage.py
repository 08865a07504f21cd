"""A whole API link against a server that does what the test tells it."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import trio
import trio.testing
from trio.abc import Stream

from dogwatch.actors.link import ApiLink, api_link
from dogwatch.actors.session import Call, LateResponse, SessionState
from dogwatch.actors.spot.envelope import MalformedFrame, Response, UserEvent
from dogwatch.actors.spot.keys import Ed25519Key
from dogwatch.actors.spot.methods import Method, Params
from dogwatch.actors.spot.signing import Ed25519Signer, Signer
from dogwatch.runtime.actor import Actor
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.messages import Answer
from dogwatch.runtime.specs import ChildSpec, SupervisorSpec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.testing.network import MemoryNetwork
from dogwatch.runtime.tree import TreeNode
from tests.actors.fake_server import FakeServer

HOST, PORT = "exchange.example", 443
RESOURCE = "/ws-api/v3"
API_KEY = "k" * 64
ED25519 = Ed25519Signer(API_KEY, Ed25519Key(bytes(32)))
NEWS = {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "1.0", "T": 1}


class Asker(Actor):
    """Asks the session without waiting, as the Orders actor does, and keeps the answers with their time."""

    def __init__(self, answers: "list[tuple[Any, Answer, float]]") -> None:
        self._answers = answers

    def on_answer(self, answer: Answer) -> None:
        self._answers.append((answer.tag, answer, trio.current_time()))


class ApiStage:
    """The link, what it publishes, and an asker above it."""

    def __init__(
        self,
        network: MemoryNetwork,
        signer: Signer | None,
        server_ahead_ms: int,
        *,
        resource: str = RESOURCE,
        further: Mapping[str, Signer] | None = None,
    ) -> None:
        self.network = network
        self.listener = network.listen(HOST, PORT)
        self.server_time = Clock.virtual(1_767_225_600_000 + server_ahead_ms)
        self.link: ApiLink = api_link(
            "link",
            dial=self.dial,
            host=HOST,
            resource=resource,
            clock=Clock.virtual(1_767_225_600_000),
            signer=signer,
            further=further,
            random=Random(1),
            probe_after_s=math.inf,  # what the session itself asks is what these servers answer
        )
        self.session = self.link.session
        self.states: list[SessionState] = []
        self.events: list[UserEvent] = []
        self.late: list[LateResponse] = []
        self.unmatched: list[Response | MalformedFrame] = []
        self.answers: list[tuple[Any, Answer, float]] = []
        topics = self.link.topics
        topics.states.tap(self.states.append, on_error=fail)
        topics.user_events.tap(self.events.append, on_error=fail)
        topics.late_responses.tap(self.late.append, on_error=fail)
        topics.unmatched.tap(self.unmatched.append, on_error=fail)
        self.asker = ChildSpec("asker", lambda: Asker(self.answers), actor=Asker)
        self.system: System

    def node(self, name: str) -> TreeNode:
        """One of the link's children as the tree shows it now."""
        (found,) = (child for child in self.system.tree().children[0].children if child.name == name)
        return found

    async def dial(self) -> Stream:
        return await self.network.connect(HOST, PORT)

    async def accept(self) -> FakeServer:
        server = FakeServer(await self.listener.accept())
        await server.accept()
        return server

    async def establish(self, *, logs_on: bool = True, subscribes: bool = True) -> FakeServer:
        """Accept the next socket and answer all that the session asks until it is ready."""
        server = await self.accept()
        await self.answer_times(server)
        if logs_on:
            await server.answer(await self.expect(server, "session.logon"))
        if subscribes:
            await server.answer(await self.expect(server, "userDataStream.subscribe"), {"subscriptionId": 0})
        await trio.testing.wait_all_tasks_blocked()
        return server

    async def answer_times(self, server: FakeServer, count: int = 3) -> None:
        for _ in range(count):
            request = await self.expect(server, "time")
            await server.answer(request, {"serverTime": self.server_time.unix_ms()})

    async def expect(self, server: FakeServer, method: str) -> dict[str, Any]:
        request = await server.next_request()
        assert request["method"] == method, request
        return request

    def request(self, method: Method, tag: str, params: Params | None = None, *, within_s: float = 10.0) -> None:
        """Ask without waiting; the outcome comes to `answers`."""
        call = Call(method=method, params=params or {})
        self.session.request(call, reply_to=self.asker.ref, tag=tag, within_s=within_s)

    async def answer_to(self, tag: str) -> Answer:
        while True:
            for known, answer, _ in self.answers:
                if known == tag:
                    return answer
            await trio.sleep(0.01)


async def revoke(stage: ApiStage, server: FakeServer) -> None:
    """Say that the key is none any more, as an answer to nothing."""
    error = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    await server.send_json({"id": None, "status": 401, "error": error})
    await trio.testing.wait_all_tasks_blocked()


def fail(error: Exception) -> None:
    raise error


@asynccontextmanager
async def staged(
    network: MemoryNetwork,
    *,
    signer: Signer | None = ED25519,
    server_ahead_ms: int = 0,
    resource: str = RESOURCE,
    further: Mapping[str, Signer] | None = None,
) -> AsyncIterator[ApiStage]:
    stage = ApiStage(network, signer, server_ahead_ms, resource=resource, further=further)
    with trio.fail_after(200_000):
        async with run_system(SupervisorSpec("top", [stage.link.spec, stage.asker])) as stage.system:
            yield stage
