"""The SLA's arithmetic: evidence and terms become figures and credit. Pure; no clock, no files, no store."""
