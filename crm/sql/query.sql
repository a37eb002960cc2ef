-- A recipe's own question, which only reads.
BEGIN READ ONLY;
SET LOCAL ROLE :"owner";
SET LOCAL statement_timeout = '30s';
:query
;
COMMIT;
