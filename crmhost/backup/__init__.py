"""Backups: sealed with age, kept in a folder or a bucket, listed, thinned out, and proven by a copy that is used."""
