"""The ledger: what happened, in an order that nobody can change without being found out.

Knows origins and entries; no web framework, no panel, no tenant. Only `store` (and `sql/`) knows the database.
"""
