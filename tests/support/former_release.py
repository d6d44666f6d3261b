"""The release before this one, which has to go on working on the present schema.

With each release both values move to the one that precedes it: the commit, and the migration at
which its code ends.
"""

COMMIT = "f8a97a92e21787fe6b89cd2acce2760a839db998"
MIGRATION = "0058"
