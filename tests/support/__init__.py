"""Real neighbours for the tests: hosts, receivers, a small application."""
