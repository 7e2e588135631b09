"""The authenticated list of an account's own trades at the CLOB service.

Any wallet of the world is an account here, with the same keys for all: the signature is checked as the service does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from polyledger.replica.catalogue import Catalogue
from polyledger.replica.fills import Fill, Fills

API_KEY: Final = "replica-api-key"
SECRET: Final = base64.urlsafe_b64encode(b"secret of a replica's account ..").decode()
PASSPHRASE: Final = "replica-passphrase"  # noqa: S105 - nobody's
_PAGE: Final = 100
_END: Final = base64.b64encode(b"-1").decode()
_SOMEBODY: Final = "somebody-else"

Row = dict[str, Any]


class ClobAccounts:
    """The route ``/data/trades``: newest first, in cursor pages, as taker and as maker."""

    def __init__(self, catalogue: Catalogue, fills: Fills) -> None:
        self._catalogue = catalogue
        self._fills = fills

    async def trades(self, request: Request) -> Response:
        """One page; 401 unless the request is signed with the keys above."""
        if not _is_signed(request):
            return JSONResponse({"error": "Unauthorized/Invalid api key"}, 401)
        wallet, parameters = request.headers["POLY_ADDRESS"].lower(), request.query_params
        after, before = int(parameters.get("after", "0")), int(parameters.get("before", str(1 << 60)))
        offset = int(base64.b64decode(parameters.get("next_cursor", base64.b64encode(b"0"))))
        fills = [fill for fill in self._fills.newest_first(makers=wallet) if after <= fill.timestamp <= before]
        rows = [self._row(fill) for fill in fills[offset : offset + _PAGE]]
        following = str(offset + _PAGE).encode()
        cursor = base64.b64encode(following).decode() if offset + _PAGE < len(fills) else _END
        return JSONResponse({"limit": _PAGE, "count": len(rows), "next_cursor": cursor, "data": rows})

    def _row(self, fill: Fill) -> Row:
        market = self._catalogue.market_of_token(fill.token_id)
        outcome = "" if market is None else market.outcomes[market.token_ids.index(fill.token_id)]
        own = {
            "maker_address": fill.maker,
            "asset_id": fill.token_id,
            "outcome": outcome,
            "side": "BUY" if fill.is_buy else "SELL",
            "price": str(Decimal(fill.collateral) / Decimal(fill.shares or 1)),
            "owner": API_KEY,
        }
        shares = str(Decimal(fill.shares).scaleb(-6))
        common = {
            "id": f"{fill.block}-{fill.log_index}",
            "market": "" if market is None else market.condition_id,
            "status": "CONFIRMED",
            "match_time": str(fill.timestamp),
            "transaction_hash": fill.transaction_hash,
        }
        if fill.is_taker_leg:
            return common | own | {"size": shares, "trader_side": "TAKER", "maker_orders": []}
        # The trade is another's: the account's part in it is one of its maker orders.
        other = {"owner": _SOMEBODY, "maker_address": fill.taker, "size": shares, "trader_side": "MAKER"}
        orders = [own | {"matched_amount": shares}, own | {"owner": _SOMEBODY, "matched_amount": "1"}]
        return common | own | other | {"maker_orders": orders}


def _is_signed(request: Request) -> bool:
    headers = request.headers
    message = f"{headers.get('POLY_TIMESTAMP', '')}GET{request.url.path}"
    digest = hmac.new(base64.urlsafe_b64decode(SECRET), message.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).decode()
    given = (headers.get("POLY_API_KEY"), headers.get("POLY_PASSPHRASE"), headers.get("POLY_SIGNATURE"))
    return "POLY_ADDRESS" in headers and given == (API_KEY, PASSPHRASE, signature)
