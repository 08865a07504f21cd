"""`dogwatch call`: one request to the exchange from the command line, and its typed answer."""

import argparse
import logging
import shutil
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import trio

from dogwatch.actors.calling import calling
from dogwatch.actors.cli import DONE, FAILED
from dogwatch.actors.commands.json_output import print_json
from dogwatch.actors.connection_settings import ConnectionSettings
from dogwatch.actors.key_loading import load_signer
from dogwatch.actors.request_words import read_request
from dogwatch.actors.settings import Settings, VenueSettings, load_access
from dogwatch.actors.spot.methods import Security
from dogwatch.actors.spot.requests import Request
from dogwatch.actors.spot.results import CancelReplaceResult
from dogwatch.actors.spot.signing import Signer
from dogwatch.actors.spot.wire_form import wire_form
from dogwatch.actors.spot_client import MANAGED, Spot
from dogwatch.actors.value_table import render_value
from dogwatch.actors.venue import api_door, open_paper_venue
from dogwatch.runtime.clock import Clock
from dogwatch.runtime.errors import ConfigError, alone

COLUMNS_MIN = 80


def main(options: argparse.Namespace) -> int:
    """Send one request and print what comes back.

    Raises ConfigError for a request that cannot be made, and NotSent, Rejected or OutcomeUnknown as the call does.
    """
    request = read_request(options.method, options.parameters)
    settings = read_settings(options)
    refuse_wrong_use(request, settings, options)
    signer = None if settings.account is None else load_signer(settings.account)
    # What stands in the way is said once, at the end, and not as it happens.
    logging.getLogger("dogwatch").addHandler(logging.NullHandler())
    try:
        result = trio.run(answer_to, request, settings, signer, options.within)
    except ExceptionGroup as group:
        raise alone(group) from None
    if options.json:
        print_json(msgspec.json.encode(wire_form(result)))
    else:
        print(render_value(result, width=max(COLUMNS_MIN, shutil.get_terminal_size().columns)))
    # The only result that may tell of a refusal.
    return FAILED if isinstance(result, CancelReplaceResult) and not result.is_success else DONE


def read_settings(options: argparse.Namespace) -> Settings:
    """The venue that is named, or the venue and account of a configuration; nothing else in it is looked at."""
    connection = ConnectionSettings(api="rest" if options.rest else "websocket")
    if options.config is None:
        return Settings(venue=VenueSettings(name=options.venue or "mainnet"), connection=connection, strategies=())
    if options.venue is not None:
        raise ConfigError("", "a venue and a configuration are named", hint="leave one of them out")
    return load_access(options.config, connection)


def refuse_wrong_use(request: Request[Any], settings: Settings, options: argparse.Namespace) -> None:
    """Raise ConfigError for what is not to be sent, or could not be."""
    declaration = request.declaration
    method = declaration.method
    if method in MANAGED:
        raise ConfigError(method, "is not called by hand", hint="the session does it by itself")
    if declaration.is_write and not options.yes:
        hint = "add --yes if that is what you want"
        raise ConfigError(method, f"changes things at {settings.venue.name}", hint=hint)
    if options.rest and declaration.endpoint is None:
        raise ConfigError(method, "exists on the WebSocket API only", hint="leave out --rest")
    needs_key = declaration.security is not Security.NONE
    if needs_key and settings.account is None and not settings.brings_its_exchange:
        hint = "name a configuration with an [account]: --config CONFIG.toml"
        raise ConfigError(method, "needs an API key", hint=hint)


async def answer_to(request: Request[Any], settings: Settings, signer: Signer | None, within_s: float) -> object:
    """What the exchange says. The paper exchange without an address is made for this question alone."""
    clock = Clock.system()
    async with AsyncExitStack() as stack:
        if settings.brings_its_exchange:
            nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(nursery.cancel_scope.cancel)
            venue = await open_paper_venue(settings, clock=clock, seed=0, nursery=nursery)
            door, signer = venue.api, venue.signer
        else:
            door = api_door(settings.endpoints, over_rest=settings.connection.api == "rest")
        if request.declaration.security is Security.NONE:
            signer = None  # nobody need know who asks
        caller = calling(door, signer=signer, clock=clock, within_s=within_s)
        spot = Spot(await stack.enter_async_context(caller), within_s=within_s)
        result: object = await spot.call(request)
    return result
