<?php
// Written by crmhost: where the host's PHP finds the release that serves. Changes made by hand are written over.
// A link is read anew at each request, so nothing that PHP remembers of paths or code stands between two releases.
require (static function (): string {
    $release = @readlink('@CURRENT@');
    $front = '@ROOT@/' . ($release === false ? 'current' : $release) . '/crmhost_front.php';
    if (is_readable($front)) {
        return $front;
    }
    http_response_code(503);
    header('Content-Type: text/plain');
    header('Retry-After: 120');
    $account = function_exists('posix_geteuid') ? posix_geteuid() : getmyuid();
    exit($account === getmyuid() ? "Nothing serves here yet.\n" : "PHP runs as user $account here, not as this account.\n");
})();
