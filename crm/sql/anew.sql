-- An empty database in the place of the customer's; whoever uses that is cut off.
DROP DATABASE IF EXISTS :"database" WITH (FORCE);
CREATE DATABASE :"database" OWNER :"owner";
