"""The ledger's database: one DuckDB file, its tables and views, and what is kept beside it.

Facts from the chain lie in ``chain`` (append-only, one row per event), surrogate keys in ``dim``, claims of HTTP
sources in ``claim``, compacted sums in ``book``, and the state of the work itself in ``meta``. People read the views in
``main``.
"""

from __future__ import annotations
