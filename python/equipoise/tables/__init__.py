"""Tables that draw ids with replacement, in O(1) time per draw, and know their exact probabilities.

    AliasTable(weights)                    UniformTable(n)
      powered, whole_units  (units)
      alias_build           (kernel)       LogUniformTable(n), an AliasTable
                    |                         |
                    +------- Table (base) ----+
                               |
        sample     -> alias_draw, uniform_draw (kernels), in chunks
        prob       -> whole units / total
        proposer() -> Proposer, the record that the kernels of negatives take
        save, load -> file

`units` turns weights into integers that add up to n * 2^32, `base` holds what all tables share, `alias` and
`uniform` the tables, and `file` the file format. The methods of `Table` that are marked as internal are the
only way into a table from other subjects.
"""

from equipoise.tables.alias import AliasTable
from equipoise.tables.uniform import LogUniformTable, UniformTable

__all__ = ["AliasTable", "LogUniformTable", "UniformTable"]
