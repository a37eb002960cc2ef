"""The command line: one module for each verb, found by its name. A verb is imported when it is typed."""
