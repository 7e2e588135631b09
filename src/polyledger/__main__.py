"""``python -m polyledger``."""

from __future__ import annotations

from polyledger.cli import main

if __name__ == "__main__":
    main()
