"""Web hosts that give SFTP and a control panel only: nothing of ours runs there but a page of PHP, for some minutes."""
