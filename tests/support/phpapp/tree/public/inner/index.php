<?php
require __DIR__ . '/../../lib/site.php';
page('inner ' . ($_SERVER['PATH_INFO'] ?? 'none') . ' in ' . basename(getcwd()));
