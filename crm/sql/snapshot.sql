-- From here on everything is seen as it is at this instant, by whoever is told the snapshot's name as well.
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SELECT pg_export_snapshot() AS snapshot \gset
\setenv CRMHOST_SNAPSHOT :snapshot
