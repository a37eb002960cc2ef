-- Three lines: the states of the steps by name; recipe, version and schema, or null; how many tables are not crmhost's.
SELECT to_regclass('public.crmhost_steps') IS NOT NULL AS steps,
    to_regclass('public.crmhost_schema') IS NOT NULL AS schema \gset
\if :steps
SELECT coalesce(json_object_agg(name, state), '{}') FROM public.crmhost_steps;
\else
\echo {}
\endif
\if :schema
SELECT coalesce((SELECT json_build_array(recipe, version, schema) FROM public.crmhost_schema), 'null');
\else
\echo null
\endif
SELECT count(*) FROM pg_tables
WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'
    AND tablename NOT IN ('crmhost_steps', 'crmhost_schema');
