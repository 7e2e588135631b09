"""Which broker carries out a strategy's orders. Live trading is off: it takes code of your own, and a setting."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from polyledger.config import TradingSettings
from polyledger.domain.errors import ConfigurationError
from polyledger.insight.trading.orders import Broker, Key
from polyledger.insight.trading.paper import PaperBroker
from polyledger.insight.watchlist.strategies import Strategies
from polyledger.store.database import Database

STOP_FILE: Final = "trading.stop"


def is_stopped(workspace: Path) -> bool:
    """Whether the kill switch is on: a file in the workspace, so that any program or person can put it there."""
    return (workspace / STOP_FILE).exists()


def brokers_for(
    strategies: Strategies, settings: TradingSettings, database: Database, head: int, ends: Mapping[str, Key]
) -> dict[str, Broker]:
    """By kind of trade (paper, live), as far as strategies ask for it.

    Raises:
        ConfigurationError: a strategy would trade live, and that is not allowed or nobody is there to do it.
    """
    kinds = {strategy.trade for strategy in strategies.strategies}
    brokers: dict[str, Broker] = {}
    if "paper" in kinds and strategies.paper is not None:
        brokers["paper"] = PaperBroker(database, strategies.paper, head, ends)
    if "live" in kinds:
        names = ", ".join(strategy.name for strategy in strategies.strategies if strategy.trade == "live")
        brokers["live"] = live_broker(settings, names)
    return brokers


def live_broker(settings: TradingSettings, names: str) -> Broker:
    """The live broker of the settings, for the strategies `names`.

    Raises:
        ConfigurationError: not both of the setting and an implementation are there.
    """
    if not settings.autonomous_trading_enabled:
        raise ConfigurationError(
            f"Live trading is off, and the strategy {names} asks for it",
            'Write trade = "paper"; or, with your own broker, set autonomous_trading_enabled = true under [trading]',
        )
    if settings.broker is None:
        raise ConfigurationError(
            f"There is no live broker in polyledger, and the strategy {names} asks for one",
            'Write one (docs/guides/paper-trading.md) and name it under [trading]: broker = "package.module:name"',
        )
    module, _, name = settings.broker.partition(":")
    try:
        broker = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The broker {settings.broker} (setting trading.broker) cannot be made: {error}",
            "Name a function or class without arguments as package.module:name",
        ) from error
    if not isinstance(broker, Broker) or isinstance(broker, PaperBroker):
        raise ConfigurationError(
            f"{settings.broker} makes no live broker but a {type(broker).__name__}",
            "A broker has the methods submit, check and cancel, and is an implementation of its own",
        )
    return broker
