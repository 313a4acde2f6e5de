"""For the console: indexes of the job log and the audit log, and counts that are kept instead of made."""

from __future__ import annotations

from alembic import op

revision = "0003_console"
down_revision = "0002_engine"
branch_labels = None
depends_on = None

INDEXES = """
CREATE INDEX ix_jobs_trigger ON jobs (triggered_by, started_at DESC, id DESC);
CREATE INDEX ix_jobs_took ON jobs ((finished_at - started_at), id) WHERE finished_at IS NOT NULL;
CREATE INDEX ix_jobs_event_id ON jobs (event_id);
CREATE INDEX ix_jobs_words ON jobs USING gin (to_tsvector('simple'::regconfig, translate(id || ' ' || run_id || ' ' || coalesce(event_id, '') || ' ' || coalesce(note, '') || ' ' || coalesce(error_name, '') || ' ' || coalesce(error_message, ''), '-./_@<>&=+?#~,', '              ')));
CREATE INDEX ix_releases_fetched_at ON releases USING brin (fetched_at);
CREATE INDEX ix_audit_log_actor ON audit_log (actor, id DESC);
CREATE INDEX ix_audit_log_action ON audit_log (action, id DESC);
UPDATE tenders SET enrichment_error = left(enrichment_error, 500) WHERE length(enrichment_error) > 500;
DROP INDEX ix_tenders_enrichment_due;
CREATE INDEX ix_tenders_enrichment_due ON tenders (enrichment_next_at, n)
    INCLUDE (enrichment_status, enrichment_error) WHERE enrichment_status <> 'enriched';
"""  # noqa: E501

# Counting all tenders takes the longer the more there are. Whatever adds or removes some leaves a line that says how
# many, in its own transaction: the lines' sum is the count, and nobody waits for anybody.
TALLIES = """
CREATE TABLE tallies (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    delta BIGINT NOT NULL,
    CONSTRAINT pk_tallies PRIMARY KEY (id)
);
CREATE FUNCTION tally_tenders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.tallies (name, delta) SELECT 'tenders', count(*) FROM rows_new HAVING count(*) > 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public.tallies (name, delta) SELECT 'tenders', -count(*) FROM rows_old HAVING count(*) > 0;
    ELSE
        DELETE FROM public.tallies WHERE name = 'tenders';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tally_inserted AFTER INSERT ON tenders REFERENCING NEW TABLE AS rows_new
    FOR EACH STATEMENT EXECUTE FUNCTION tally_tenders();
CREATE TRIGGER tally_deleted AFTER DELETE ON tenders REFERENCING OLD TABLE AS rows_old
    FOR EACH STATEMENT EXECUTE FUNCTION tally_tenders();
CREATE TRIGGER tally_emptied AFTER TRUNCATE ON tenders FOR EACH STATEMENT EXECUTE FUNCTION tally_tenders();
CREATE FUNCTION tally_expected() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.tallies (name, delta)
        SELECT 'expected', count(*) FROM rows_new WHERE is_expected HAVING count(*) > 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public.tallies (name, delta)
        SELECT 'expected', -count(*) FROM rows_old WHERE is_expected HAVING count(*) > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO public.tallies (name, delta) VALUES ('expected', CASE WHEN NEW.is_expected THEN 1 ELSE -1 END);
    ELSE
        DELETE FROM public.tallies WHERE name = 'expected';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tally_inserted AFTER INSERT ON tender_ids REFERENCING NEW TABLE AS rows_new
    FOR EACH STATEMENT EXECUTE FUNCTION tally_expected();
CREATE TRIGGER tally_deleted AFTER DELETE ON tender_ids REFERENCING OLD TABLE AS rows_old
    FOR EACH STATEMENT EXECUTE FUNCTION tally_expected();
CREATE TRIGGER tally_changed AFTER UPDATE ON tender_ids FOR EACH ROW
    WHEN (OLD.is_expected IS DISTINCT FROM NEW.is_expected) EXECUTE FUNCTION tally_expected();
CREATE TRIGGER tally_emptied AFTER TRUNCATE ON tender_ids FOR EACH STATEMENT EXECUTE FUNCTION tally_expected();
INSERT INTO tallies (name, delta) SELECT 'tenders', count(*) FROM tenders;
INSERT INTO tallies (name, delta) SELECT 'expected', count(*) FROM tender_ids WHERE is_expected;
"""


def upgrade() -> None:
    op.execute(INDEXES)
    op.execute(TALLIES)


def downgrade() -> None:
    op.execute(
        """
        DROP TRIGGER tally_inserted ON tenders;
        DROP TRIGGER tally_deleted ON tenders;
        DROP TRIGGER tally_emptied ON tenders;
        DROP TRIGGER tally_inserted ON tender_ids;
        DROP TRIGGER tally_deleted ON tender_ids;
        DROP TRIGGER tally_changed ON tender_ids;
        DROP TRIGGER tally_emptied ON tender_ids;
        DROP FUNCTION tally_tenders, tally_expected;
        DROP TABLE tallies;
        DROP INDEX ix_jobs_trigger, ix_jobs_took, ix_jobs_event_id, ix_jobs_words, ix_releases_fetched_at,
            ix_audit_log_actor, ix_audit_log_action, ix_tenders_enrichment_due;
        CREATE INDEX ix_tenders_enrichment_due ON tenders (enrichment_next_at, n)
            WHERE enrichment_status <> 'enriched';
        """
    )
