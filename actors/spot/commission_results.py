"""What trading costs: the results of account.commission and of order.test (WebSocket API, Account requests; Test new
order). All rates are fractions, 0.001 is 0.1 %."""

from decimal import Decimal

import msgspec

from dogwatch.actors.spot.wire_names import wire_names


class CommissionRates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Rates by role. A trade pays maker or taker plus buyer or seller."""

    maker: Decimal
    taker: Decimal
    buyer: Decimal
    seller: Decimal


class OrderCommissionRates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Rates of one order, whose side is known: only its role is open."""

    maker: Decimal
    taker: Decimal


class CommissionDiscount(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """The discount on the standard commission for paying in `discount_asset`. It needs both switches to be on."""

    enabled_for_account: bool
    enabled_for_symbol: bool
    discount_asset: str | None
    discount: Decimal


class AccountCommission(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """What the account pays on a symbol (account.commission): the sum of the three."""

    symbol: str
    standard_commission: CommissionRates
    special_commission: CommissionRates | None = None
    tax_commission: CommissionRates
    discount: CommissionDiscount


class OrderTestResult(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=wire_names()):
    """The order would be taken (order.test, sor.order.test). Everything is None unless `compute_commission_rates` asked
    for what it would cost; smart order routing knows no special commission."""

    standard_commission_for_order: OrderCommissionRates | None = None
    special_commission_for_order: OrderCommissionRates | None = None
    tax_commission_for_order: OrderCommissionRates | None = None
    discount: CommissionDiscount | None = None
