"""What runs on the host: a page of PHP, put there for one operation and deleted at its end."""
