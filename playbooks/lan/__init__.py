"""The driver for a server with sudo in a customer's network: PostgreSQL, nginx and sandboxed units of its own."""
