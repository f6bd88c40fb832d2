"""Tables that draw ids by weight, with replacement, in O(1) a draw."""

from equipoise.tables.alias import AliasTable
from equipoise.tables.uniform import LogUniformTable, UniformTable

__all__ = ["AliasTable", "LogUniformTable", "UniformTable"]
