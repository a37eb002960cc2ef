-- An empty database beside the customer's, in place of one that an earlier attempt left.
DROP DATABASE IF EXISTS :"incoming" WITH (FORCE);
CREATE DATABASE :"incoming" OWNER :"owner";
