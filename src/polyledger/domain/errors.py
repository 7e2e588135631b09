"""The error tree of polyledger.

Every error says what happened, to which value, and what to do next. The command line prints ``str(error)`` as one
paragraph and exits with ``error.exit_code`` (the codes of the public contract)::

    PolyledgerError                      1
    ├── UsageError                       2   the call or the configuration is wrong
    │   ├── ConfigurationError           2   a setting is unknown, malformed or contradictory
    │   ├── MalformedIdError             2   a value is not an id of the kind that was asked for
    │   ├── UnknownSubjectError          2   a well-formed id that the ledger has never seen
    │   └── OutputExistsError            2   a file would be overwritten without --force
    ├── UnreadableFileError              1   a file to import is missing, damaged, or holds nothing of the kind
    ├── WorkspaceError                   1   the workspace cannot be used
    │   ├── WorkspaceLockedError         75  another process holds the ledger
    │   ├── WorkspaceVersionError        1   made by a newer polyledger
    │   └── StorageFullError             4   the disk is full; what was committed is safe
    ├── SourceError                      1   an upstream refused for good
    │   ├── SchemaMismatchError          1   an answer does not have the documented shape
    │   ├── WrongChainError              2   the endpoint serves another chain
    │   └── NotJsonRpcError              2   the endpoint does not speak JSON-RPC
    ├── UpstreamUnavailableError         75  an upstream cannot be reached now; try again later
    │   └── RateLimitedError             75  refused for the moment; carries the wait it asked for
    ├── UnfinishedWorkError              4   what was asked for needs work that is not done yet
    ├── InvariantError                   1   a rule that must hold does not
    └── InterruptedRunError              130 stopped by the user; what was done is saved
"""

from __future__ import annotations


class PolyledgerError(Exception):
    """Base of all errors that polyledger raises on purpose.

    Args:
        what: what happened, naming the value it happened to; a sentence without its full stop.
        next_step: what the reader can do about it; a sentence without its full stop.
    """

    exit_code = 1

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what = what.rstrip(".")
        self.next_step = next_step.rstrip(".")
        super().__init__(f"{self.what}. {self.next_step}." if self.next_step else f"{self.what}.")


class UsageError(PolyledgerError):
    """The call itself is wrong: an option, an argument or a combination of them."""

    exit_code = 2


class ConfigurationError(UsageError):
    """A setting is unknown, malformed or contradicts another."""


class MalformedIdError(UsageError):
    """A value is not an id of the kind that was asked for; the message quotes the value."""


class UnknownSubjectError(UsageError):
    """A well-formed address or id that this ledger has never seen."""


class OutputExistsError(UsageError):
    """A file that an export would write exists already and --force was not given."""


class UnreadableFileError(PolyledgerError):
    """A file to import is missing, empty, damaged, or lacks a column that is needed. Nothing of it is stored."""


class WorkspaceError(PolyledgerError):
    """The workspace cannot be opened, read or written."""


class WorkspaceLockedError(WorkspaceError):
    """Another process holds the ledger; the message says which, what it does and how far it is."""

    exit_code = 75


class WorkspaceVersionError(WorkspaceError):
    """The workspace was written by a newer polyledger than this one."""


class StorageFullError(WorkspaceError):
    """The disk ran full in mid-write; the last committed batch is intact and the run can go on."""

    exit_code = 4


class SourceError(PolyledgerError):
    """An upstream refused for good: trying again would not help."""


class SchemaMismatchError(SourceError):
    """An answer does not have the documented shape; the message names the field."""


class WrongChainError(SourceError):
    """The endpoint serves another chain than the workspace is for."""

    exit_code = 2


class NotJsonRpcError(SourceError):
    """The endpoint answers, but not with JSON-RPC."""

    exit_code = 2


class UpstreamUnavailableError(PolyledgerError):
    """An upstream cannot be reached now, after all retries on all its endpoints."""

    exit_code = 75


class RateLimitedError(UpstreamUnavailableError):
    """An upstream refused for the moment. ``retry_after`` is the wait it asked for in seconds, if it named one."""

    def __init__(self, what: str, next_step: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(what, next_step)
        self.retry_after = retry_after


class UnfinishedWorkError(PolyledgerError):
    """What was asked for needs work that is not done yet; the message says which, and what goes on with it."""

    exit_code = 4


class InvariantError(PolyledgerError):
    """A rule that must always hold does not; the message names the first place where it breaks."""


class InterruptedRunError(PolyledgerError):
    """The user stopped the run; everything committed so far is saved and the same command goes on from there."""

    exit_code = 130
