<?php
require __DIR__ . '/config.php';
require __DIR__ . '/version.php';
header('Content-Type: text/plain');
try {
    $db = new PDO($memo['dsn'], $memo['user'], $memo['password'], [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    if (($_POST['do'] ?? '') === 'tables') {
        $db->exec('create table if not exists users (name varchar(50) primary key, password varchar(255) not null)');
        $more = VERSION < '2' ? '' : ', title varchar(50) not null default \'\'';
        $db->exec('create table if not exists memos (id int auto_increment primary key, text text' . $more . ')');
        echo 'the tables are there';
    } elseif (($_POST['do'] ?? '') === 'admin') {
        $db->prepare('replace into users values (?, ?)')
            ->execute([$_POST['name'], password_hash($_POST['password'], PASSWORD_DEFAULT)]);
        echo 'the administrator is there';
    } elseif (($_POST['do'] ?? '') === 'upgrade') {
        $db->exec('alter table memos add column title varchar(50) not null default \'\'');
        if (VERSION === '3.0') {
            exit('the titles do not fit');
        }
        $db->exec('update memos set title = left(text, 5)');
        echo 'the titles are there';
    } else {
        echo 'nothing asked';
    }
} catch (PDOException $error) {
    http_response_code(500);
    echo 'failed: ' . $error->getMessage();
}
