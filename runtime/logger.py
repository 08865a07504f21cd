"""The logger that actors see, and one for when nobody set up another. Queues, threads and formats are in logs.py."""

import logging
from typing import Any, Protocol


class Logger(Protocol):
    """Structured logging: an event in words, the facts as keywords. structlog's loggers fit."""

    def debug(self, event: str, **facts: Any) -> Any: ...
    def info(self, event: str, **facts: Any) -> Any: ...
    def warning(self, event: str, **facts: Any) -> Any: ...
    def error(self, event: str, **facts: Any) -> Any: ...


class StandardLogger:
    """Structured logging over the standard library's `logging`, as `event key=value …`."""

    def __init__(self, path: str) -> None:
        self._logger = logging.getLogger("dogwatch")
        self._path = path

    def debug(self, event: str, **facts: Any) -> None:
        self._log(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._log(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._log(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._log(logging.ERROR, event, facts)

    def _log(self, level: int, event: str, facts: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            error = facts.pop("exc_info", None)
            words = [f"{self._path}: {event}", *(f"{name}={value!r}" for name, value in facts.items())]
            self._logger.log(level, " ".join(words), exc_info=error)
