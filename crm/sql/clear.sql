-- What a restore that failed has left.
DROP DATABASE IF EXISTS :"incoming" WITH (FORCE);
