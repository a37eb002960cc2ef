-- What came in takes the customer's database's place. A kill in between leaves the incoming one whole under its own name.
DROP DATABASE IF EXISTS :"database" WITH (FORCE);
ALTER DATABASE :"incoming" RENAME TO :"database";
