"""Every error that the runtime raises. Each says what to do; none carries a secret."""

from collections.abc import Sequence


class DogwatchError(Exception):
    """The base of all errors of this project. `hint` says what to do next; it may be empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class AskTimeout(DogwatchError):
    """No answer came within the deadline. It does not mean that the work was not done, unless `is_begun` is false: then
    the message was never handled, and will not be."""

    def __init__(self, message: str, *, hint: str = "", is_begun: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.is_begun = is_begun


class ActorCrashed(DogwatchError):
    """The actor raised while it handled the message. `__cause__` is what it raised."""

    def __init__(self, path: str, cause: BaseException) -> None:
        super().__init__(f"{path} crashed: {type(cause).__name__}: {cause}")
        self.path = path
        self.__cause__ = cause


class ActorStopped(DogwatchError):
    """The actor has stopped, or its life ended on request before it answered."""


class MailboxFull(DogwatchError):
    """A bounded lane is full and its policy is to refuse, or to stop the consumer that cannot keep up."""


class SubscriptionClosed(DogwatchError):
    """The subscription was closed; it gives no more events."""


class SpecError(DogwatchError):
    """A supervision tree is described wrongly. Nothing was started. `problems` names every mistake, one a line."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = tuple(problems)


class StartFailed(DogwatchError):
    """A child could not be started: it raised, or did not acknowledge in time. `__cause__` is the reason, if any."""


class StartTimeout(StartFailed):
    """A child did not acknowledge its start within `start_within_s`."""


class RestartsExhausted(DogwatchError):
    """Children failed more often than the restart intensity allows. `__cause__` is the last failure."""


class ConfigError(DogwatchError):
    """A mistake in a configuration: where it stands, what is wrong, how to mend it. Never retried."""

    def __init__(self, where: str, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem, hint=hint)
        self.where = where
        self.problem = problem


class JournalError(DogwatchError):
    """The journal cannot be opened, read or written: which file, what is wrong with it, how to mend it."""


class JournalInUse(JournalError):
    """Another process, or another part of this one, has the journal open for writing."""


def alone(error: Exception) -> Exception:
    """The one failure inside any number of exception groups around it; a group of several stays a group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
