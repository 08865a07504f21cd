"""A boiler room: a sensor publishes, a display answers, a supervisor restarts."""

import trio

from dogwatch.runtime import (
    Actor,
    ActorRef,
    Backoff,
    ChildSpec,
    Exited,
    Lane,
    LifecycleEvent,
    Message,
    Query,
    Started,
    SupervisorSpec,
    Topic,
    run_system,
)
from dogwatch.runtime.testing import run_virtual


class Reading(Message, frozen=True, kw_only=True):
    """What the sensor has measured."""

    celsius: int


class Measure(Message, frozen=True, kw_only=True):
    """A timer's message: the next measurement is due."""


class GetReading(Query[Reading], frozen=True, kw_only=True):
    """Answered with the newest reading."""


class Sensor(Actor):
    """Measures every second. Breaks at 23 degrees, as sensors do."""

    def __init__(self, readings: Topic[Reading]) -> None:
        self._readings = readings
        self._celsius = 20

    async def on_start(self) -> None:
        self.tell_every(1.0, Measure())

    def on_measure(self, _message: Measure) -> None:
        self._celsius += 1
        if self._celsius == 23:
            raise RuntimeError("the wire came off")
        self._readings.publish(Reading(celsius=self._celsius))


class Display(Actor):
    """Shows the newest reading. What it has not seen yet is replaced by what is newer."""

    lanes = (
        Lane("readings", accepts=(Reading,), conflate_by=type),
        Lane("queries", accepts=(GetReading,), capacity=16),
    )

    def __init__(self, readings: Topic[Reading]) -> None:
        self._readings = readings
        self._shown = Reading(celsius=0)

    async def on_start(self) -> None:
        self.subscribe(self._readings)

    def on_reading(self, reading: Reading) -> None:
        self._shown = reading

    def on_get_reading(self, _query: GetReading) -> Reading:
        return self._shown


async def watch(display: ActorRef[Display]) -> None:
    for _ in range(5):
        await trio.sleep(1.05)
        reading = await display.ask(GetReading(), within_s=1)
        print(f"{trio.current_time():.2f} s: {reading.celsius} degrees")


def tell(event: LifecycleEvent) -> None:
    if isinstance(event, Started) and event.life > 1:
        print(f"{event.at_s:.2f} s: {event.path} begins life {event.life}")
    elif isinstance(event, Exited) and event.error is not None:
        print(f"{event.at_s:.2f} s: {event.path} ended: {event.error}")


async def main() -> None:
    readings: Topic[Reading] = Topic("readings")
    lifecycle: Topic[LifecycleEvent] = Topic("lifecycle")
    lifecycle.tap(tell, on_error=print)
    sensor = ChildSpec("sensor", lambda: Sensor(readings), actor=Sensor)
    display = ChildSpec("display", lambda: Display(readings), actor=Display)
    room = SupervisorSpec("room", [sensor, display], backoff=Backoff(first_s=0.5, jitter=0))
    async with run_system(room, events=lifecycle):
        await watch(display.ref)


if __name__ == "__main__":
    run_virtual(main)
