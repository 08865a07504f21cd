"""Starts the benchmarks' exchange in a process and on a core of its own, over plain sockets or TLS."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import trustme

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENT_CORE = CORES[0] if CORES else None
EXCHANGE_CORE = CORES[-1] if CORES else None


class ExchangeProcess:
    """The exchange, and what a client has to know of it. A context manager."""

    def __init__(self, *, tls: bool) -> None:
        self._folder = TemporaryDirectory()
        self.authority = ""
        """The file of the certificate authority to trust; empty without TLS."""
        arguments = []
        if tls:
            authority = trustme.CA()
            certificate, self.authority = (str(Path(self._folder.name) / name) for name in ("exchange.pem", "ca.pem"))
            authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
            authority.cert_pem.write_to_path(self.authority)
            arguments = [certificate]
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "exchange.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for those who measure: it ends when they have ended
        )
        if EXCHANGE_CORE is not None:
            os.sched_setaffinity(self._process.pid, {EXCHANGE_CORE})
        assert self._process.stdout is not None
        self.port, self.control = map(int, self._process.stdout.readline().split())

    def job(self, **wishes: Any) -> dict[str, Any]:
        """A client's job with this exchange, as it is handed to `client.read_job`."""
        return {
            "port": self.port,
            "control": self.control,
            "authority": self.authority,
            "core": CLIENT_CORE,
            **wishes,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()
        self._folder.cleanup()
