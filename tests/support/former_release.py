"""The release before this one, which has to go on working on the present schema.

With each release both values move to the one that precedes it: the commit, and the migration at
which its code ends.
"""

COMMIT = "0ac0fd7d264871c5519b8e20479aeadd729999bf"
MIGRATION = "0044"
