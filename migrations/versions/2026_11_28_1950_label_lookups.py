"""Labels of deleted keys are looked up one by one.

The purge of a key with a million trades spent as long on deciding that the key's label may go as on
a third of the rows: the condition read every trade of the account, those just deleted included.
Labels of keys deleted with their data now go by their mark alone, and for each of the others the
indexes of the key are asked for one row. Without the settings the planner, which expects many rows
of each key, would rather read a table from its beginning.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

FORGET_LABELS = """
CREATE OR REPLACE FUNCTION forget_labels(p_account uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    known uuid;
BEGIN
    DELETE FROM public.key_labels AS label
    WHERE label.account_id = p_account
      AND NOT EXISTS (
          SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = label.key_id
      )
      AND EXISTS (
          SELECT FROM public.deletion_marks AS mark
          WHERE mark.account_id = p_account AND mark.key_id = label.key_id
            AND mark.environment IS NULL AND mark.cutoff = 'infinity'
      );
    FOR known IN
        SELECT label.key_id FROM public.key_labels AS label
        WHERE label.account_id = p_account
          AND NOT EXISTS (
              SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = label.key_id
          )
          AND NOT EXISTS (
              SELECT FROM public.assignments AS had
              WHERE had.account_id = p_account AND had.key_id = label.key_id
          )
    LOOP
        DELETE FROM public.key_labels AS label
        WHERE label.account_id = p_account AND label.key_id = known
          AND NOT EXISTS (
              SELECT FROM public.keys WHERE keys.account_id = p_account AND keys.id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.assignments AS had
              WHERE had.account_id = p_account AND had.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.trades AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.positions AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.equity_snapshots AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.signals AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          )
          AND NOT EXISTS (
              SELECT FROM public.bot_events AS rows
              WHERE rows.account_id = p_account AND rows.key_id = known
          );
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(FORGET_LABELS)


def downgrade() -> None:
    """Leave the function: it does the same for the release before."""
