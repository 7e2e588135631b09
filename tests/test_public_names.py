"""The names that programs may rely on. A change here is a change of the public interface."""

from __future__ import annotations

import importlib
import inspect

import pytest

import polyledger
from polyledger.cli.commands import COMMANDS
from polyledger.domain import errors

EXIT_CODES = {
    "PolyledgerError": 1,
    "UsageError": 2,
    "ConfigurationError": 2,
    "MalformedIdError": 2,
    "UnknownSubjectError": 2,
    "OutputExistsError": 2,
    "UnfinishedWorkError": 4,
    "UnreadableFileError": 1,
    "WorkspaceError": 1,
    "WorkspaceLockedError": 75,
    "WorkspaceVersionError": 1,
    "StorageFullError": 4,
    "SourceError": 1,
    "SchemaMismatchError": 1,
    "WrongChainError": 2,
    "NotJsonRpcError": 2,
    "UpstreamUnavailableError": 75,
    "RateLimitedError": 75,
    "InvariantError": 1,
    "InterruptedRunError": 130,
}

PROMISED_COMMANDS = [
    *(
        "demo",
        "init",
        "doctor",
        "import",
        "gaps",
        "plan",
        "sync",
        "status",
        "watch",
        "verify",
        "explain",
        "conflicts",
        "coverage",
        "wallets",
        "wallet",
        "categories",
        "exposure",
        "signals",
        "watchlist",
        "paper",
        "export",
        "report",
        "finalize",
        "sql",
    ),
    *("replica", "version"),
]


def test_the_package() -> None:
    assert sorted(polyledger.__all__) == ["Result", "Workspace", "__version__", "open"]
    assert all(hasattr(polyledger, name) for name in polyledger.__all__)


def test_the_workspace() -> None:
    public = {name for name in dir(polyledger.Workspace) if not name.startswith("_")}
    promised = {
        "init",
        "import_trades",
        "gaps",
        "plan",
        "sync",
        "status",
        "coverage",
        "wallets",
        "wallet",
        "categories",
        "verify",
        "verify_against",
        "resolver",
        "explain",
        "conflicts",
        "export",
        "report",
        "finalize",
        "sql",
    }
    assert promised <= public
    result = {name for name in dir(polyledger.Result) if not name.startswith("_")}
    assert {"arrow", "df", "pl"} <= result


def test_errors_and_their_exit_codes() -> None:
    found = {
        name: kind.exit_code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.PolyledgerError)
    }
    assert found == EXIT_CODES


def test_commands() -> None:
    assert sorted(COMMANDS) == sorted(PROMISED_COMMANDS)


@pytest.mark.parametrize(
    "module", ["polyledger.config", "polyledger.net", "polyledger.replica", "polyledger.cli", "polyledger.sync.doctor"]
)
def test_listed_names_exist_and_stand_in_order(module: str) -> None:
    loaded = importlib.import_module(module)
    # Constants, then classes, then functions, as ruff sorts them.
    assert list(loaded.__all__) == sorted(loaded.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert all(hasattr(loaded, name) for name in loaded.__all__)
