"""Programs that go into a release's files and run in its containers, with the standard library alone."""
