"""What the host's own web server runs: sent to the host as files, where nothing but a standard library is at hand."""
