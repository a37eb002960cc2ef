<?php
// Runs on the host, in a release's folder: what a request means, for the host's PHP and for a candidate's own server.
// Scripts are run as if they lay in the document root; other files are sent, but only those of the kinds below.

namespace crmhost;

const APP = '@APP@';        // this release's tree
const ROOT = '@WEB@';       // the folder in it that is served
const DATA = '@DATA@';      // what outlives the release, reached from the tree through links
const BASE = '@BASE@';      // the path of the customer's URL, without a slash at its end
const MARK = '@MARK@';      // tells releases apart
const CLOSED = '@CLOSED@';  // a file while whose existence customers get 503 alone
const PAGE = '@PAGE@';      // what customers see then
const LOG = '@LOG@';
const KINDS = [
    'avif' => 'image/avif', 'bmp' => 'image/bmp', 'css' => 'text/css', 'csv' => 'text/csv', 'eot' => 'application/vnd.ms-fontobject',
    'gif' => 'image/gif', 'htm' => 'text/html', 'html' => 'text/html', 'ico' => 'image/x-icon', 'jpeg' => 'image/jpeg',
    'jpg' => 'image/jpeg', 'js' => 'text/javascript', 'json' => 'application/json', 'map' => 'application/json',
    'mjs' => 'text/javascript', 'mp3' => 'audio/mpeg', 'mp4' => 'video/mp4', 'ogg' => 'audio/ogg', 'otf' => 'font/otf',
    'pdf' => 'application/pdf', 'png' => 'image/png', 'svg' => 'image/svg+xml', 'ttf' => 'font/ttf',
    'wasm' => 'application/wasm', 'wav' => 'audio/wav', 'webm' => 'video/webm', 'webmanifest' => 'application/manifest+json',
    'webp' => 'image/webp', 'woff' => 'font/woff', 'woff2' => 'font/woff2', 'xsl' => 'text/xsl',
];

/** Return the script that answers the request; anything else is answered here, and ends the request. */
function script(): string
{
    ini_set('log_errors', '1');
    ini_set('error_log', LOG);
    header('X-Crmhost-Release: ' . MARK);
    if (PHP_SAPI !== 'cli-server' && file_exists(CLOSED)) {
        closed(); // to customers: a candidate is asked by the deploy alone
    }
    if (PHP_SAPI === 'cli-server' && ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
        $_SERVER['HTTPS'] = 'on';
    }
    $path = rawurldecode(explode('?', $_SERVER['REQUEST_URI'], 2)[0]);
    if (BASE !== '' && !str_starts_with("$path/", BASE . '/')) {
        missing();
    }
    $path = substr($path, strlen(BASE));
    $words = array_values(array_filter(explode('/', $path), fn($word) => $word !== ''));
    foreach ($words as $word) {
        if ($word[0] === '.' || strpbrk($word, "\0\\") !== false) {
            missing();
        }
    }
    return found($path, $words);
}

/** Follow the path as far as the tree has it: to a file, a folder's index.php, or the nearest index.php above. */
function found(string $path, array $words): string
{
    $here = '';
    foreach ($words as $number => $word) {
        $next = "$here/$word";
        if (is_file(ROOT . $next)) {
            $rest = array_slice($words, $number + 1);
            return run($next, $rest ? '/' . implode('/', $rest) : '');
        }
        if (!is_dir(ROOT . $next)) {
            return above($here, $word);
        }
        $here = $next;
    }
    foreach (['index.php', 'index.html'] as $name) {
        if (is_file(ROOT . "$here/$name")) {
            if ($here !== '' && !str_ends_with($path, '/')) {
                $query = $_SERVER['QUERY_STRING'] ?? '';
                header('Location: ' . BASE . implode('/', array_map('rawurlencode', explode('/', $here))) . '/' . ($query === '' ? '' : "?$query"), true, 301);
                exit;
            }
            return run("$here/$name", '');
        }
    }
    return above($here, '');
}

/** Return the nearest index.php above what is not there, as PHP's own server does; a script that is not there is missing. */
function above(string $here, string $word): string
{
    if (str_ends_with($word, '.php')) {
        missing();
    }
    while (!is_file(ROOT . "$here/index.php")) {
        if ($here === '') {
            missing();
        }
        $here = substr($here, 0, strrpos($here, '/'));
    }
    return run("$here/index.php", '');
}

/** Make the request look as if the web server had found the script itself; what is no script is sent. */
function run(string $name, string $rest): string
{
    $file = realpath(ROOT . $name);
    if ($file === false || !within($file, APP) && !within($file, DATA)) {
        missing();
    }
    if (!str_ends_with($name, '.php')) {
        $rest === '' ? send($file) : missing();
    }
    if (!within($file, APP)) {
        missing(); // what customers upload is never run
    }
    unset($_SERVER['PATH_INFO'], $_SERVER['PATH_TRANSLATED'], $_SERVER['ORIG_PATH_INFO']);
    if ($rest !== '') {
        $_SERVER['PATH_INFO'] = $rest;
    }
    $_SERVER['DOCUMENT_ROOT'] = BASE === '' ? ROOT : $_SERVER['DOCUMENT_ROOT'];
    $_SERVER['SCRIPT_FILENAME'] = $file;
    $_SERVER['SCRIPT_NAME'] = BASE . $name;
    $_SERVER['PHP_SELF'] = BASE . $name . $rest;
    chdir(dirname($file));
    return $file;
}

function within(string $file, string $folder): bool
{
    $real = realpath($folder);
    return $real !== false && str_starts_with($file, "$real/");
}

/** Send a file that browsers may keep, and ask for again whether it has changed. */
function send(string $file): never
{
    $kind = KINDS[strtolower(pathinfo($file, PATHINFO_EXTENSION))] ?? null;
    if ($kind === null) {
        missing();
    }
    // All files of an archive are of one year: two releases' differ by where they lie on the disk.
    $about = implode('-', [fileinode($file), filemtime($file), filesize($file)]);
    $tag = '"' . substr(hash('sha256', $about), 0, 16) . '"';
    header("Content-Type: $kind" . (str_starts_with($kind, 'text/') ? '; charset=utf-8' : ''));
    header("ETag: $tag");
    header('Cache-Control: max-age=3600');
    header('X-Content-Type-Options: nosniff');
    if (($_SERVER['HTTP_IF_NONE_MATCH'] ?? '') === $tag) {
        http_response_code(304);
        exit;
    }
    header('Content-Length: ' . filesize($file));
    if ($_SERVER['REQUEST_METHOD'] !== 'HEAD') {
        readfile($file);
    }
    exit;
}

function missing(): never
{
    http_response_code(404);
    header('Content-Type: text/plain');
    exit("There is no such page.\n");
}

function closed(): never
{
    http_response_code(503);
    header('Retry-After: 120');
    if (is_readable(PAGE)) {
        header('Content-Type: text/html; charset=utf-8');
        readfile(PAGE);
    }
    exit;
}

require script();
