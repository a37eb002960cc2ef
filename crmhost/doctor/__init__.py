"""What `crmhost doctor` looks at, here and on a contract's host, and how it is judged."""
