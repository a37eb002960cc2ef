-- What was derived for one release, or with an empty name for any, is not there any more.
SELECT to_regclass('public.crmhost_steps') IS NOT NULL AS steps \gset
\if :steps
DELETE FROM public.crmhost_steps
WHERE CASE WHEN :'release' = '' THEN strpos(name, '@') > 0 ELSE right(name, length(:'release') + 1) = '@' || :'release' END;
\endif
