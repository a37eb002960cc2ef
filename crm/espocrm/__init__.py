"""EspoCRM, on the PHP and MySQL of a host."""
