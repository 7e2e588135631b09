"""Files as a source: trades, raw logs and mappings that somebody already has, as Parquet, CSV or JSON lines.

Everything here reads; the file is never changed and the database is not known. Batches are Arrow tables of bounded
size, so that a file may be larger than the memory.
"""
