"""The release before this one, which has to go on working on the present schema.

With each release both values move to the one that precedes it: the commit, and the migration at
which its code ends.
"""

COMMIT = "ced9e496ebc37817574052a304d700d084932102"
MIGRATION = "0057"
