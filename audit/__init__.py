"""The ledger: sealed events in an order that nobody can change without detection.

Knows origins and entries; no web framework, no panel, no tenant. Only `store` (and `sql/`) knows the database.
"""
