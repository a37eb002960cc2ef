<?php
// Sent as a part of installer.php: how a page of a release is asked for that nobody sees yet.

namespace crmhost;

// The PHP file that a web server would run for a path of a site, relative to its root: the file itself, or the
// index.php of the folder or of the nearest one above.
function page_at($root, $path)
{
    $names = array_values(array_filter(explode('/', $path), 'strlen'));
    for ($left = count($names); $left >= 0; $left--) {
        $here = implode('/', array_slice($names, 0, $left));
        if ($left === count($names) && substr($here, -4) === '.php' && is_file(within($root . '/' . $here))) {
            return $here;
        }
        $index = ltrim($here . '/index.php', '/');
        if (is_file(within($root . '/' . $index))) {
            return $index;
        }
    }
    throw new No('no page of PHP is there');
}

// Lets a release that nobody sees yet believe that it is asked at the site's own address: what it remembers of that
// address is right once it serves. A copy, which never does, believes that it is asked at its own.
function as_if_it_served($page, $root, $at)
{
    list($method, $uri) = explode(' ', $page, 2);
    $query = strpos($uri, '?') === false ? '' : substr($uri, strpos($uri, '?') + 1);
    $file = page_at($root, parse_url($uri, PHP_URL_PATH));
    $base = $at === '' ? rtrim(dirname($_SERVER['SCRIPT_NAME']), '/') : as_if_at($at);
    foreach (array_keys($_SERVER) as $name) {
        if (strpos($name, 'HTTP_X_CRMHOST_') === 0 || ($method === 'GET' && strpos($name, 'CONTENT_') === 0)) {
            unset($_SERVER[$name]);
        }
    }
    $_SERVER['REQUEST_METHOD'] = $method;
    $_SERVER['REQUEST_URI'] = $base . $uri;
    $_SERVER['QUERY_STRING'] = $query;
    $_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $base . '/' . $file;
    $_SERVER['DOCUMENT_ROOT'] = within($root);
    $_SERVER['SCRIPT_FILENAME'] = within($root . '/' . $file);
    parse_str($query, $_GET);
    $_POST = $method === 'GET' ? [] : $_POST;
    $_REQUEST = $_POST + $_GET;
    ini_restore('display_errors');
    ini_restore('error_reporting');
    return $_SERVER['SCRIPT_FILENAME'];
}

// Lets it believe that it is asked at this URL, and returns the path in that, without a slash at its end. What stands
// before the web server speaks of the site's own address, and so is not heard.
function as_if_at($url)
{
    $parts = parse_url($url);
    if (!isset($parts['scheme'], $parts['host']) || !in_array($parts['scheme'], ['http', 'https'], true)) {
        throw new No('not an address');
    }
    foreach (array_keys($_SERVER) as $name) {
        if ($name === 'HTTPS' || strpos($name, 'HTTP_X_FORWARDED_') === 0 || $name === 'HTTP_FORWARDED') {
            unset($_SERVER[$name]);
        }
    }
    if ($parts['scheme'] === 'https') {
        $_SERVER['HTTPS'] = 'on';
    }
    $_SERVER['REQUEST_SCHEME'] = $parts['scheme'];
    $_SERVER['SERVER_NAME'] = $parts['host'];
    $_SERVER['SERVER_PORT'] = (string) ($parts['port'] ?? ($parts['scheme'] === 'https' ? 443 : 80));
    $_SERVER['HTTP_HOST'] = $parts['host'] . (isset($parts['port']) ? ':' . $parts['port'] : '');
    return rtrim($parts['path'] ?? '', '/');
}
