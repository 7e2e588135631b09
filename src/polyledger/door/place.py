"""Where the socket is: in the workspace, also when its path is too long for a socket address."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOCKET_FILE: Final = "ledger.sock"
# sun_path holds 108 bytes on Linux and 104 on macOS, with a zero at the end.
_LONGEST_ADDRESS: Final = 103


@contextmanager
def socket_address(workspace: Path) -> Iterator[str]:
    """A path to the socket that fits into a socket address, valid inside the block.

    A long one goes through a link of a short name in a private temporary folder, which every system follows both when a
    socket is made and when it is connected to.
    """
    plain = str(workspace / SOCKET_FILE)
    if len(plain.encode()) <= _LONGEST_ADDRESS:
        yield plain
        return
    with tempfile.TemporaryDirectory(prefix="pl-", dir=_short_folder()) as folder:
        link = Path(folder) / "w"
        link.symlink_to(workspace.absolute(), target_is_directory=True)
        yield str(link / SOCKET_FILE)


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual.encode()) <= _LONGEST_ADDRESS // 2 else "/tmp"  # noqa: S108 - the folder in it is private
