"""What the exchange says about the account: balances, trades, prevented trades, allocations, its own filters (WebSocket
API, Account requests)."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.commission_results import CommissionRates
from dogwatch.actors.spot.enums import AllocationType, SelfTradePreventionMode
from dogwatch.actors.spot.exchange_info import FILTERS, Filter
from dogwatch.actors.spot.open_unions import OpenDecoder
from dogwatch.actors.spot.wire_names import wire_names


class AccountBalance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an account holds of one asset."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountStatus(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """The account as it stands (account.status).

    `trade_group_id` is -1 for an account that shares no self trade prevention with others. `commission_rates` are
    fractions; the four `…_commission` are the same in hundredths of a percent, rounded.
    """

    balances: tuple[AccountBalance, ...]
    can_trade: bool
    update_time_ms: int
    can_withdraw: bool = False
    can_deposit: bool = False
    commission_rates: CommissionRates | None = None
    maker_commission: int | None = None
    taker_commission: int | None = None
    buyer_commission: int | None = None
    seller_commission: int | None = None
    brokered: bool | None = None
    require_self_trade_prevention: bool | None = None
    prevent_sor: bool | None = None
    trade_group_id: int | None = None
    account_type: str = "SPOT"
    permissions: tuple[str, ...] = ()
    uid: int | None = None


class AccountTrade(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(trade_id="id", quantity="qty", quote_quantity="quoteQty"),
):
    """One trade of the account (myTrades)."""

    symbol: str
    trade_id: int
    order_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool | None = None
    order_list_id: int = -1


class PreventedMatch(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names(transaction_time_ms="transactTime")
):
    """A trade of the account with itself, or with another of its trade group, that did not happen (myPreventedMatches).
    Whose quantity is not in it lost none."""

    symbol: str
    prevented_match_id: int
    taker_order_id: int
    maker_symbol: str | None = None
    maker_order_id: int
    trade_group_id: int
    self_trade_prevention_mode: SelfTradePreventionMode
    price: Decimal
    taker_prevented_quantity: Decimal | None = None
    maker_prevented_quantity: Decimal | None = None
    transaction_time_ms: int


class Allocation(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    rename=wire_names(quantity="qty", quote_quantity="quoteQty"),
):
    """A fill from another book that smart order routing brought (myAllocations)."""

    symbol: str
    allocation_id: int
    allocation_type: AllocationType
    order_id: int
    order_list_id: int = -1
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_ms: int
    is_buyer: bool
    is_maker: bool
    is_allocator: bool


class MyFilters(msgspec.Struct, frozen=True, kw_only=True, rename=wire_names()):
    """The filters that apply to this account and symbol (myFilters): MAX_ASSET is found nowhere else."""

    exchange_filters: tuple[Filter, ...]
    symbol_filters: tuple[Filter, ...]
    asset_filters: tuple[Filter, ...]


decode_my_filters = OpenDecoder(MyFilters, FILTERS).decode
