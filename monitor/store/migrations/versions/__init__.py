"""One file per revision, in one line of descent: v0001_…, v0002_…."""
