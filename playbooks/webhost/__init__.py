"""The driver for a shared web host without root, over SSH: everything lies in the account's home folder."""
