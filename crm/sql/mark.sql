-- One record, in one transaction. The schema is remembered with the first of them; a later version of the same schema
-- takes its row over, and another schema does when it is `reached`: with the end of the last step of an upgrade.
SET client_min_messages = warning;
BEGIN;
SET LOCAL ROLE :"owner";
CREATE TABLE IF NOT EXISTS public.crmhost_steps (
    name text PRIMARY KEY, state text NOT NULL, release text NOT NULL, at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS public.crmhost_schema (
    one integer PRIMARY KEY CHECK (one = 1), recipe text NOT NULL, version text NOT NULL, schema text NOT NULL,
    at timestamptz NOT NULL);
INSERT INTO public.crmhost_steps VALUES (:'name', :'state', :'release', now())
    ON CONFLICT (name) DO UPDATE SET state = excluded.state, release = excluded.release, at = excluded.at;
INSERT INTO public.crmhost_schema AS before VALUES (1, :'recipe', :'version', :'schema', now())
    ON CONFLICT (one) DO UPDATE SET version = excluded.version, schema = excluded.schema, at = excluded.at
    WHERE (before.schema = excluded.schema AND before.version <> excluded.version) OR :'reached' = 'yes';
COMMIT;
