"""A web host of one's own: SSH and SFTP on loopback, a home in a given folder, a scheduler in place of cron.

No root, no daemon of the system, nothing outside its folder; closing it ends every process that it started. The demo
and the tests deploy to it exactly as to a web host that is rented.
"""
