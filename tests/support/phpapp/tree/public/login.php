<?php
require '../lib/site.php';
session_start();
$token = $_SESSION['token'] ??= bin2hex(random_bytes(8));
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (!hash_equals($token, $_POST['token'] ?? '')) {
        page('the form is too old', 403);
    }
    $found = database()->prepare('SELECT hash FROM account WHERE name = ?');
    $found->execute([$_POST['username'] ?? '']);
    $hash = $found->fetchColumn();
    page($hash && password_verify($_POST['password'] ?? '', $hash) ? '<p>Welcome' : '<p>Wrong name or password');
}
page("<form method=post action='{$_SERVER['PHP_SELF']}'><input type=\"hidden\" name=\"token\" value=\"$token\">"
    . '<input name=username><input name=password type=password></form>');
