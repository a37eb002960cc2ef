<?php
require '../lib/site.php';
$count = database()->query('SELECT count(*) FROM account')->fetchColumn();
$bad = $site['version'] === 'broken';
page(($bad ? 'not ' : '') . "ready {$site['version']}, $count accounts", $bad ? 500 : 200);
