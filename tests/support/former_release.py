"""The release before this one, which has to go on working on the present schema.

With each release both values move to the one that precedes it: the commit, and the migration at
which its code ends.
"""

COMMIT = "a3faf677aec9cb8eb0054a6d2d294f655db76c43"
MIGRATION = "0058"
