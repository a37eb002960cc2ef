<?php
echo 'read ' . strlen(file_get_contents(PHP_SAPI === 'cli' ? 'php://stdin' : 'php://input')) . ' bytes';
