<?php
// What every page begins with: the configuration lies beside the code, as PHP applications have it.
$site = require __DIR__ . '/../config.php';

function database(): PDO
{
    global $site;
    $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION];
    $dsn = "mysql:host={$site['dbhost']};port={$site['dbport']};dbname={$site['dbname']};charset=utf8mb4";
    return new PDO($dsn, $site['dbuser'], $site['password'], $options);
}

function page(string $body, int $status = 200): never
{
    global $site;
    http_response_code($status);
    header('Content-Type: text/html; charset=utf-8');
    exit("<!doctype html><title>Guestbook {$site['version']}</title>$body");
}

set_exception_handler(fn(Throwable $error) => page('the database: ' . get_class($error), 500));
