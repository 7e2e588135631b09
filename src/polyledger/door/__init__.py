"""Answering other processes while this one holds the ledger: a Unix socket in the workspace."""
