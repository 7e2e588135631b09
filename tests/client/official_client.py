"""Polymarket's own Python client, pointed at the replica: every listing must parse as it does against the real service.

Runs in an environment of its own, since the client's dependencies do not go together with the project's:
``make test-client``. Arguments: the command that serves the replica and prints its URL.
"""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

from polymarket import AsyncPublicClient
from polymarket.environments import PRODUCTION, Environment, _create_environment


def environment_at(url: str) -> Environment:
    """The client's production environment with the read services replaced."""
    config = dataclasses.replace(
        PRODUCTION._config, gamma_url=f"{url}/gamma", clob_url=f"{url}/clob", data_url=f"{url}/data"
    )
    return _create_environment(name="replica", config=config)


async def everything(paginator: Any) -> list[Any]:
    """All items of all pages."""
    items: AsyncIterator[Any] = paginator.iter_items()
    return [item async for item in items]


async def check(url: str) -> None:
    """List what the replica has and compare the listings with each other."""
    async with AsyncPublicClient(environment=environment_at(url)) as client:
        markets = [
            market
            for closed in (False, True)
            for market in await everything(client.list_markets(closed=closed, page_size=7))
        ]
        assert len({market.id for market in markets}) == len(markets) > 0
        print(f"markets            {len(markets)}")

        events = [
            event
            for closed in (False, True)
            for event in await everything(client.list_events(closed=closed, page_size=7))
        ]
        assert len({event.id for event in events}) == len(events) > 0
        print(f"events             {len(events)}")

        single = await client.get_market(id=markets[0].id)
        assert single.id == markets[0].id

        trades = await everything(client.list_trades(page_size=100))
        legs = await everything(client.list_trades(page_size=1000, taker_only=False))
        assert len(legs) > len(trades) > 0
        print(f"trades             {len(trades)} by takers, {len(legs)} legs in all")

        wallet = trades[0].wallet
        mine = await everything(client.list_trades(user=wallet, taker_only=False, full_history=True))
        assert mine
        assert {trade.wallet for trade in mine} == {wallet}

        conditions = sorted({trade.condition_id for trade in legs})
        tokens = sorted({trade.asset_id for trade in legs})
        references = []
        for start in range(0, len(tokens), 50):
            references += await client.get_token_references(asset_ids=tokens[start : start + 50])
        assert {reference.asset_id for reference in references} == set(tokens)
        assert {reference.condition_id for reference in references} == set(conditions)
        by_condition = await client.get_token_references(condition_ids=conditions[:10])
        assert by_condition
        print(f"token references   {len(references)}")

        resolutions = []
        for start in range(0, len(conditions), 20):
            resolutions += await client.get_resolutions(condition_ids=conditions[start : start + 20])
        resolved = {row.condition_id for row in resolutions if row.payouts is not None}
        assert resolved == {row.condition_id for row in references if row.resolved}
        assert resolved
        print(f"resolutions        {len(resolutions)}, {len(resolved)} of them resolved")


def main(command: list[str]) -> None:
    """Serve, check, stop."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as replica:
        try:
            url = replica.stdout.readline().split()[-1] if replica.stdout is not None else ""
            asyncio.run(check(url))
        finally:
            replica.terminate()


if __name__ == "__main__":
    main(sys.argv[1:])
