"""What a configuration file says, as types, and every mistake in it. Nothing is dialled and no secret is read here.

Reading TOML strictly lives in runtime/config.py, finding plugins in runtime/plugins.py.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.limit_settings import LimitSettings
from dogwatch.actors.order_settings import OrderSettings
from dogwatch.actors.paper.config import PaperConfig, check_config
from dogwatch.actors.spot import client_order_id
from dogwatch.actors.spot.endpoints import VENUES, Endpoints, RestBases, parse_address, parse_origin
from dogwatch.actors.strategy import Strategy
from dogwatch.runtime.config import ConfigErrors, SecretReference, convert, did_you_mean, read_toml
from dogwatch.runtime.errors import ConfigError
from dogwatch.runtime.plugins import load_plugin

T = TypeVar("T")

PLUGIN_GROUP = "dogwatch.strategies"


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to trade. `ws_api`, `streams` and `rest` point to a standing paper exchange (`dogwatch paper`)."""

    name: Literal["paper", "testnet", "demo", "mainnet"]
    ws_api: str | None = None
    streams: str | None = None
    rest: str | None = None


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The API key and what signs for it: an Ed25519 or RSA private key, or an HMAC secret."""

    api_key: SecretReference
    private_key: SecretReference | None = None
    passphrase: SecretReference | None = None
    hmac_secret: SecretReference | None = None


class StrategySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One strategy: which plugin, under which name, with which settings of its own.

    `restart`: a `transient` strategy starts over after a crash, a `temporary` one does not.
    """

    name: str
    use: str
    orders_on_crash: Literal["cancel", "keep"] = "cancel"
    restart: Literal["transient", "temporary"] = "transient"
    config: dict[str, Any] = {}


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where orders and fills are written down, and what that survives: `kill -9` (`process`), or power loss (`host`).

    Without `file` it stands beside the configuration, see `journal_beside`.
    """

    file: Path | None = None
    durability: Literal["process", "host"] = "process"


class RuntimeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the process behaves. `control` is the socket that `dogwatch tree` asks; by default it is found by itself."""

    control: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    stop_within_s: float = 30.0


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"strategies": "strategy"}
):
    """A whole configuration file."""

    venue: VenueSettings
    account: AccountSettings | None = None
    paper: PaperConfig | None = None
    journal: JournalSettings | None = None
    orders: OrderSettings = OrderSettings()
    limits: LimitSettings = LimitSettings()
    connection: ConnectionSettings = ConnectionSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    strategies: tuple[StrategySettings, ...]

    @property
    def brings_its_exchange(self) -> bool:
        """Whether the paper exchange runs inside of this process."""
        return self.venue.name == "paper" and self.venue.ws_api is None

    @property
    def endpoints(self) -> Endpoints:
        """Where the venue is. A standing paper exchange is given by its addresses."""
        endpoints = self._addresses()
        return endpoints.asking(time_unit="MICROSECOND") if self.connection.time_unit == "microsecond" else endpoints

    def _addresses(self) -> Endpoints:
        known = VENUES[self.venue.name]
        if self.venue.ws_api is None or self.venue.streams is None:
            return known
        streams = parse_address(self.venue.streams)
        if streams.resource == "/":
            streams = msgspec.structs.replace(streams, resource=known.streams.resource)
        rest = known.rest if self.venue.rest is None else RestBases(origins=(parse_origin(self.venue.rest),))
        return msgspec.structs.replace(known, ws_api=parse_address(self.venue.ws_api), streams=streams, rest=rest)


class StrategyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy that can be started: its class is loaded and its own settings are of the class's type."""

    settings: StrategySettings
    strategy: type[Strategy]
    config: Strategy.Config
    symbols: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration without a mistake."""

    path: Path
    settings: Settings
    strategies: tuple[StrategyPlan, ...]

    @property
    def journal_file(self) -> Path | None:
        """Where the journal is. None where there is none: the paper exchange of this process ends with the process."""
        if self.settings.brings_its_exchange:
            return None
        return (self.settings.journal or JournalSettings()).file or journal_beside(self.path)


def load_plan(path: Path) -> Plan:
    """Read a configuration, load its plugins. Raises ConfigErrors with every mistake that can be seen from here."""
    document = read_toml(path)
    mistakes: list[ConfigError] = []
    settings: Settings | None = _gathered(mistakes, partial(convert, document, Settings, base=path.parent))
    if settings is not None:
        mistakes.extend(_mistakes(settings))
        entries = list(enumerate(settings.strategies))
    else:
        entries = _legible_strategies(document, base=path.parent)
    plans = [_gathered(mistakes, partial(_strategy_plan, entry, number, path.parent)) for number, entry in entries]
    strategies = tuple(plan for plan in plans if plan is not None)
    if settings is not None:
        mistakes.extend(_symbol_mistakes(settings, strategies))
    if mistakes or settings is None:
        raise ConfigErrors(mistakes)
    return Plan(path=path, settings=settings, strategies=strategies)


def load_access(path: Path, connection: ConnectionSettings) -> Settings:
    """The venue of a configuration, and its account if it names one, for whoever only asks. Nothing else is looked at.

    Raises ConfigErrors with every mistake in the two.
    """
    document, base = read_toml(path), path.parent
    account = document.get("account")
    settings = Settings(
        venue=convert(document.get("venue", {}), VenueSettings, base=base, where="venue"),
        account=None if account is None else convert(account, AccountSettings, base=base, where="account"),
        connection=connection,
        strategies=(),
    )
    mistakes = [*_venue_mistakes(settings), *(() if account is None else _account_mistakes(settings))]
    if mistakes:
        raise ConfigErrors(mistakes)
    return settings


def load_control_path(path: Path) -> Path | None:
    """Where a run of this configuration is to be asked, if the file says so. No plugin is loaded. Raises ConfigErrors.

    What else may be wrong in the file is not looked at: it may have been changed since the run began.
    """
    runtime = convert(read_toml(path).get("runtime", {}), RuntimeSettings, base=path.parent, where="runtime")
    return runtime.control


def load_journal_path(path: Path) -> Path:
    """Where the journal of this configuration is, if it has one. Nothing else is looked at. Raises ConfigErrors."""
    journal = convert(read_toml(path).get("journal", {}), JournalSettings, base=path.parent, where="journal")
    return journal.file or journal_beside(path)


def journal_beside(config: Path) -> Path:
    """Where the journal of a configuration is that does not say: `trade.journal` beside `trade.toml`."""
    return config.with_suffix(".journal")


def _gathered(mistakes: list[ConfigError], read: Callable[[], T]) -> T | None:
    """What `read` gives; None, with the mistakes put into the list, when it finds some."""
    try:
        return read()
    except ConfigErrors as several:
        mistakes.extend(several.problems)
    except ConfigError as mistake:
        mistakes.append(mistake)
    return None


def _legible_strategies(document: dict[str, Any], *, base: Path) -> list[tuple[int, StrategySettings]]:
    """The strategies that can be read although something else in the document cannot; its mistakes are known."""
    tables = document.get("strategy")
    read: list[StrategySettings | None] = [
        _gathered([], partial(convert, table, StrategySettings, base=base))
        for table in (tables if isinstance(tables, list) else [])
    ]
    return [(position, entry) for position, entry in enumerate(read) if entry is not None]


def _strategy_plan(entry: StrategySettings, position: int, base: Path) -> StrategyPlan:
    where = f"strategy[{position}]"
    strategy = load_plugin(entry.use, base=base, group=PLUGIN_GROUP, kind=Strategy, where=f"{where}.use")
    _check_class(strategy, f"{where}.use")
    try:
        config: Strategy.Config = convert(entry.config, strategy.Config, base=base, where=f"{where}.config")
    except ConfigError:
        raise
    except Exception as error:
        raise _author_mistake(f"{where}.config", f"{strategy.__name__}.Config cannot be used", error) from error
    try:
        symbols = tuple(strategy.symbols(config))
    except Exception as error:
        raise _author_mistake(f"{where}.use", f"{strategy.__name__}.symbols() failed", error) from error
    if not all(isinstance(symbol, str) for symbol in symbols):
        raise ConfigError(f"{where}.use", f"{strategy.__name__}.symbols() gives something else than strings")
    return StrategyPlan(settings=entry, strategy=strategy, config=config, symbols=symbols)


def _check_class(strategy: type[Strategy], where: str) -> None:
    """Raise ConfigError for a class that could be loaded, but would do nothing or fail in its first moment."""
    name = strategy.__name__
    if strategy is Strategy:
        raise ConfigError(where, "this is Strategy itself", hint="name a class of your own that derives from it")
    config: object = strategy.Config
    if not (inspect.isclass(config) and issubclass(config, Strategy.Config)):
        hint = "write: class Config(Strategy.Config, frozen=True)"
        raise ConfigError(where, f"{name}.Config does not derive from Strategy.Config", hint=hint)
    if not inspect.iscoroutinefunction(strategy.run):
        raise ConfigError(where, f"{name}.run() is no async function", hint="write: async def run(self) -> None")
    if strategy.run is Strategy.run and strategy.on_start is Strategy.on_start and not strategy.handlers:
        hint = "override run(), or define handlers such as on_quote(self, quote: Quote)"
        raise ConfigError(where, f"{name} does nothing", hint=hint)


def _author_mistake(where: str, what: str, error: Exception) -> ConfigError:
    hint = "this is a mistake in the strategy's code"
    return ConfigError(where, f"{what}: {type(error).__name__}: {error}", hint=hint)


def _symbol_mistakes(settings: Settings, strategies: Sequence[StrategyPlan]) -> Iterator[ConfigError]:
    """The paper exchange in this process is the one venue whose symbols are known without asking."""
    if not settings.brings_its_exchange:
        return
    traded = (settings.paper or PaperConfig()).traded_symbols
    for plan in strategies:
        for symbol in plan.symbols:
            if symbol not in traded:
                hint = did_you_mean(symbol.upper(), traded) or f"known: {', '.join(traded)}"
                yield ConfigError(f"strategy {plan.settings.name}", f"{symbol!r} is not traded on paper", hint=hint)


def _mistakes(settings: Settings) -> Iterator[ConfigError]:
    yield from _venue_mistakes(settings)
    yield from _account_mistakes(settings)
    if settings.paper is not None:
        yield from check_config(settings.paper)
    if settings.journal is not None:
        yield from _journal_mistakes(settings, settings.journal)
    yield from settings.orders.mistakes()
    yield from settings.limits.mistakes()
    yield from settings.connection.mistakes()
    if not settings.runtime.stop_within_s > 0:
        yield ConfigError("runtime.stop_within_s", "must be more than 0 seconds")
    yield from _name_mistakes(settings)


def _venue_mistakes(settings: Settings) -> Iterator[ConfigError]:
    venue = settings.venue
    addresses = {"ws_api": venue.ws_api, "streams": venue.streams, "rest": venue.rest}
    given = [name for name, url in addresses.items() if url is not None]
    if venue.name != "paper":
        for name in given:
            yield ConfigError(f"venue.{name}", f"the address of {venue.name} is fixed", hint="only paper takes one")
        if settings.paper is not None:
            yield ConfigError("paper", f"venue {venue.name} has no paper exchange", hint="remove the table [paper]")
    elif given and settings.paper is not None:
        hint = "remove the table [paper]: a standing exchange is set up with the options of `dogwatch paper`"
        yield ConfigError("paper", "is not used", hint=hint)
    if venue.name == "paper" and given:
        needed = ("ws_api", "streams", "rest") if settings.connection.api == "rest" else ("ws_api", "streams")
        for name in needed:
            if name not in given:
                hint = "the ready file of `dogwatch paper` names all addresses"
                yield ConfigError(f"venue.{name}", "is missing", hint=hint)
    for name in given:
        try:
            (parse_origin if name == "rest" else parse_address)(addresses[name] or "")
        except ValueError as problem:
            yield ConfigError(f"venue.{name}", str(problem))


def _account_mistakes(settings: Settings) -> Iterator[ConfigError]:
    account = settings.account
    if settings.brings_its_exchange:
        if account is not None:
            hint = "remove the table [account]: the paper exchange makes keys of its own"
            yield ConfigError("account", "is not used", hint=hint)
    elif account is None:
        yield ConfigError(
            "account", "is missing", hint="give api_key and private_key; `dogwatch keygen` makes a key pair"
        )
    elif (account.private_key is None) == (account.hmac_secret is None):
        yield ConfigError("account", "needs one thing to sign with", hint="give either private_key or hmac_secret")
    elif account.passphrase is not None and account.private_key is None:
        yield ConfigError("account.passphrase", "is not used", hint="it goes with an encrypted private_key")


def _journal_mistakes(settings: Settings, journal: JournalSettings) -> Iterator[ConfigError]:
    if settings.brings_its_exchange:
        hint = "remove the table [journal]: the paper exchange in this process forgets every order at its end"
        yield ConfigError("journal", "is not used", hint=hint)
    elif journal.file is not None and journal.file.is_dir():
        yield ConfigError("journal.file", f"{journal.file} is a folder", hint="name the file in it")
    elif journal.file is not None and not journal.file.parent.is_dir():
        hint = "make it first: a mistyped path should not begin a journal of its own"
        yield ConfigError("journal.file", f"there is no folder {journal.file.parent}", hint=hint)


def _name_mistakes(settings: Settings) -> Iterator[ConfigError]:
    if not settings.strategies:
        yield ConfigError("strategy", "there is none", hint="add a table [[strategy]] with name and use")
    seen: set[str] = set()
    for position, entry in enumerate(settings.strategies):
        where = f"strategy[{position}].name"
        if entry.name in seen:
            yield ConfigError(where, f"{entry.name!r} is taken by an earlier strategy", hint="names must differ")
        seen.add(entry.name)
        try:
            client_order_id.make(strategy=entry.name, run="0", life=1, sequence=1)
        except ValueError as problem:
            yield ConfigError(where, str(problem))
