"""Actors in general: mailboxes, refs, topics, supervisors, time. Knows nothing of exchanges."""

if __name__ == "runtime":  # imported from the checkout's top level instead of as a part of dogwatch
    raise ImportError("import 'dogwatch.runtime', not 'runtime': the folder is a part of the dogwatch package")

from dogwatch.runtime.actor import Actor
from dogwatch.runtime.errors import (
    ActorCrashed,
    ActorStopped,
    AskTimeout,
    ConfigError,
    DogwatchError,
    JournalError,
    MailboxFull,
    RestartsExhausted,
    SpecError,
    StartFailed,
    StartTimeout,
    SubscriptionClosed,
)
from dogwatch.runtime.lifecycle import (
    Exited,
    LifecycleEvent,
    Reason,
    Restarted,
    RestartScheduled,
    Started,
    State,
    StoppedForGood,
)
from dogwatch.runtime.mailbox import Lane
from dogwatch.runtime.mailbox_statistics import MailboxStatistics
from dogwatch.runtime.messages import Answer, Gap, Message, Overflowed, Query
from dogwatch.runtime.overflow import Overflow
from dogwatch.runtime.ref import ActorRef
from dogwatch.runtime.reply import Reply
from dogwatch.runtime.restarts import Backoff, Intensity
from dogwatch.runtime.specs import AutoShutdown, ChildSpec, Restart, Scope, SupervisorSpec, check_spec
from dogwatch.runtime.system import System, run_system
from dogwatch.runtime.tap import Tap
from dogwatch.runtime.topic import Latest, Stream, Subscription, Topic
from dogwatch.runtime.tree import TreeNode, render

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorRef",
    "ActorStopped",
    "Answer",
    "AskTimeout",
    "AutoShutdown",
    "Backoff",
    "ChildSpec",
    "ConfigError",
    "DogwatchError",
    "Exited",
    "Gap",
    "Intensity",
    "JournalError",
    "Lane",
    "Latest",
    "LifecycleEvent",
    "MailboxFull",
    "MailboxStatistics",
    "Message",
    "Overflow",
    "Overflowed",
    "Query",
    "Reason",
    "Reply",
    "Restart",
    "RestartScheduled",
    "Restarted",
    "RestartsExhausted",
    "Scope",
    "SpecError",
    "StartFailed",
    "StartTimeout",
    "Started",
    "State",
    "StoppedForGood",
    "Stream",
    "Subscription",
    "SubscriptionClosed",
    "SupervisorSpec",
    "System",
    "Tap",
    "Topic",
    "TreeNode",
    "check_spec",
    "render",
    "run_system",
]
