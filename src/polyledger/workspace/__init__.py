"""The public Python API: a workspace folder, what can be asked of it, and the one call that fills it.

>>> import polyledger
>>> with polyledger.open("my-ledger") as workspace:
...     workspace.sync()
...     workspace.wallets(limit=10).df()
"""

from polyledger.workspace.folder import Workspace, open  # noqa: A004
from polyledger.workspace.results import Result

__all__ = ["Result", "Workspace", "open"]
