<?php
require '../lib/site.php'; // relative to the folder of the script, which must be the current one
if ($_SERVER['REQUEST_URI'] === '/') {
    header('Location: /login.php');
    http_response_code(302);
    exit;
}
page('<p>pretty ' . htmlspecialchars($_SERVER['REQUEST_URI'] . ' of ' . $_SERVER['SCRIPT_NAME']));
