-- Whether the server takes questions at all.
SELECT 1;
