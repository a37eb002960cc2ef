<?php
require __DIR__ . '/config.php';
require $memo['app'] . '/htdocs/version.php';
function db()
{
    global $memo;
    return new PDO($memo['dsn'], $memo['user'], $memo['password'], [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}
session_save_path($memo['data'] . '/sessions');
session_start();
header('Content-Type: text/html; charset=utf-8');
try {
    $db = db();
    if (($_POST['do'] ?? '') === 'login') {
        $row = $db->prepare('select password from users where name = ?');
        $row->execute([$_POST['name'] ?? '']);
        $hash = $row->fetchColumn();
        $_SESSION['name'] = $hash !== false && password_verify($_POST['password'] ?? '', $hash) ? $_POST['name'] : null;
    }
    if (($_POST['do'] ?? '') === 'write') {
        $db->prepare('insert into memos (text) values (?)')->execute([$_POST['text']]);
    }
    if (count($db->query('show columns from memos')->fetchAll()) !== (VERSION < '2' ? 2 : 3)) {
        http_response_code(500);
        exit('another schema');
    }
    $count = $db->query('select count(*) from users')->fetchColumn();
} catch (PDOException $error) {
    http_response_code(500);
    exit('no database');
}
$who = $_SESSION['name'] ?? null;
echo '<!doctype html><title>Memo</title>';
echo $who !== null ? '<p>hello ' . htmlspecialchars($who) : '<p>please log in, one of ' . $count;
echo '<form method="post" action="index.php"><input type="hidden" name="do" value="login"><input name="name">';
echo '<input name="password" type="password"></form><p>memo ' . VERSION . ' in ' . $memo['language'];
