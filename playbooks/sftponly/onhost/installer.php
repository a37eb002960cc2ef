<?php
// crmhost puts this file here for some minutes: whoever has its token can let it unpack, compare and ask the database.
// Without the token it does nothing, and says nothing. It may be deleted at any time.
// A name space of its own: a CRM's file that it runs may call its functions whatever it likes.

namespace crmhost;

const TOKEN_SHA256 = '@TOKEN_SHA256@';
const UNTIL = @UNTIL@;
const MAY = '@MAY@';
const HOME = '@HOME@';
const TAIL = '@TAIL@';
const SHOWS = '@SHOWS@'; // the one release of which a page that may only show has the pages
const SLICE = 5.0;
const CHUNK = 1048576;

@ini_set('display_errors', '0');
error_reporting(E_ALL);
set_error_handler(function ($level, $text) {
    if (error_reporting() & $level) {
        throw new \RuntimeException($text);
    }
    return true;
});

function silence($status)
{
    http_response_code($status);
    exit;
}

class No extends \Exception
{
}

// A pack that ends too early, or holds other bytes than its head says.
class Torn extends No
{
}

function over_tls()
{
    $forwarded = isset($_SERVER['HTTP_X_FORWARDED_PROTO']) ? $_SERVER['HTTP_X_FORWARDED_PROTO'] : '';
    return (!empty($_SERVER['HTTPS']) && strtolower($_SERVER['HTTPS']) !== 'off') || $forwarded === 'https';
}

if ($_SERVER['REQUEST_METHOD'] !== 'POST' || !over_tls()) {
    silence(404);
}
if (time() > UNTIL) {
    @unlink(__FILE__);
    silence(404);
}
function header_of($name)
{
    return isset($_SERVER[$name]) && is_string($_SERVER[$name]) ? $_SERVER[$name] : '';
}

$script = header_of('HTTP_X_CRMHOST_SCRIPT');
$page = header_of('HTTP_X_CRMHOST_PAGE');
$token = header_of('HTTP_X_CRMHOST_TOKEN'); // before a form's field of that name, which may be the CRM's own
if ($token === '' && isset($_POST['token']) && is_string($_POST['token'])) {
    $token = $_POST['token'];
}
if (!hash_equals(TOKEN_SHA256, hash('sha256', $token))) {
    silence(404);
}
header('X-Crmhost: 1'); // an error without this came before this page was run
if ($script === '' && $page === '' && (!isset($_POST['do']) || !is_string($_POST['do']))) {
    silence(404);
}
if (MAY === 'show' && ($page === '' || $script !== '' || header_of('HTTP_X_CRMHOST_RELEASE') !== SHOWS)) {
    silence(404);
}

// A path of ours: plain names alone, below HOME, with no link on the way to it.
function within($path)
{
    if (!is_string($path) || !preg_match('#^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*$#D', $path)) {
        throw new No('not a path of ours');
    }
    if (preg_match('#(^|/)\.\.?(/|$)#', $path)) {
        throw new No('not a path of ours');
    }
    $full = home();
    foreach (explode('/', $path) as $name) {
        $full .= '/' . $name;
        if (is_link($full)) {
            throw new No('a link is in the way: ' . $path);
        }
    }
    return $full;
}

function home()
{
    clearstatcache(true); // or a folder that became a link is remembered as one, and HOME leads elsewhere from there
    $home = realpath(realpath(__DIR__) . '/' . HOME);
    if ($home === false || (TAIL !== '' && substr($home, -strlen(TAIL)) !== TAIL)) {
        throw new No('PHP cannot reach the folder of crmhost (open_basedir: ' . ini_get('open_basedir') . ')');
    }
    return $home;
}

// A file of a tree: what the archive may hold, and nothing else.
function member($path)
{
    $unseen = '#[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]#u';
    if (!is_string($path) || $path === '' || strlen($path) > 1000 || preg_match($unseen, $path) !== 0) {
        throw new No('a name in the archive is not allowed');
    }
    foreach (explode('/', $path) as $name) {
        if ($name === '' || $name === '.' || $name === '..' || strpbrk($name, "\\\"'`:*?<>|")) {
            throw new No('a name in the archive is not allowed');
        }
    }
    return $path;
}

function folder($path)
{
    if (is_link($path)) {
        throw new No('a link is in the way');
    }
    if (!is_dir($path) && !@mkdir($path, 0755, true) && !is_dir($path)) {
        throw new No('cannot make a folder');
    }
}

// How long one request works. It begins when what must be read for it was read, so that each request gets on.
class Slice
{
    public $until;
    public $removed = 0;
    public $stays = false;
    public function __construct()
    {
        $limit = (int) ini_get('max_execution_time');
        $this->until = microtime(true) + ($limit > 0 ? min(SLICE, $limit / 3) : SLICE);
    }
    public function over()
    {
        return microtime(true) > $this->until;
    }
}

// ---- what PHP and the folder are like

function look($given)
{
    $probe = home() . '/probe-' . bin2hex(random_bytes(8));
    $made = @file_put_contents($probe, 'x');
    $same = $made !== false && fileowner($probe) === fileowner(__FILE__);
    if ($made !== false) {
        unlink($probe);
    }
    return [
        'php' => PHP_VERSION,
        'home' => home(),
        'writes' => $made !== false,
        'same_account' => $same,
        'lacks' => array_values(array_filter(
            $given['extensions'],
            function ($name) {
                return !extension_loaded($name);
            }
        )),
    ];
}

function digest($given)
{
    $path = within($given['file']);
    clearstatcache();
    if (!is_file($path)) {
        return ['size' => 0, 'sha256' => hash('sha256', '')];
    }
    return ['size' => filesize($path), 'sha256' => hash_file('sha256', $path)];
}

// ---- the list of a tree: lines of `SHA-256 SIZE PATH`, sorted by path as bytes

function read_list($path)
{
    $list = [];
    foreach (explode("\n", rtrim(file_get_contents($path), "\n")) as $line) {
        $part = explode(' ', $line, 3);
        if (count($part) === 3) {
            $list[$part[2]] = [$part[0], (int) $part[1]];
        }
    }
    return $list;
}

function list_text($list)
{
    ksort($list, SORT_STRING);
    $text = '';
    foreach ($list as $path => $one) {
        $text .= $one[0] . ' ' . $one[1] . ' ' . $path . "\n";
    }
    return $text;
}

function is_so($path, $one)
{
    return !is_link($path) && is_file($path) && filesize($path) === $one[1] && hash_file('sha256', $path) === $one[0];
}

// Compares a tree with its list, from the given entry on.
function check($given)
{
    $tree = within($given['tree']);
    $text = file_get_contents(within($given['list']));
    $list = read_list(within($given['list']));
    $paths = array_map('strval', array_keys($list));
    $differs = [];
    $at = (int) $given['at'];
    clearstatcache();
    $slice = new Slice();
    for (; $at < count($paths) && count($differs) < 200; $at++) {
        if ($at > (int) $given['at'] && $slice->over()) {
            break;
        }
        $path = $tree . '/' . member($paths[$at]);
        if (!is_so($path, $list[$paths[$at]])) {
            $differs[] = [$paths[$at], file_exists($path) || is_link($path) ? 'altered' : 'missing'];
        }
    }
    return [
        'at' => $at, 'done' => $at >= count($paths), 'differs' => $differs,
        'files' => count($paths), 'sha256' => hash('sha256', $text),
    ];
}

// ---- a pack: `crmhost1`, then pieces of gzip, each after its length (4 bytes); the first piece says what is to be done

class Pack
{
    private $file;
    public $head;
    private $piece = '';
    private $start;
    private $used = 0;
    public function __construct($path)
    {
        $this->file = fopen($path, 'rb');
        if ($this->exactly(8) !== 'crmhost1') {
            throw new No('not a pack');
        }
        $this->next();
        $this->head = json_decode($this->piece, true);
        if (!is_array($this->head) || $this->head['version'] !== 1) {
            throw new No('a pack of another version');
        }
        $this->piece = '';
    }
    public function seek($place)
    {
        if ($place !== null) {
            fseek($this->file, (int) $place[0]);
            $this->next();
            $this->used = (int) $place[1];
        }
    }
    public function place()
    {
        return $this->piece === '' ? null : [$this->start, $this->used];
    }
    private function next()
    {
        $this->start = ftell($this->file);
        $size = unpack('N', $this->exactly(4))[1];
        if ($size < 1 || $size > 64 * CHUNK) {
            throw new Torn('what arrived is not what was sent; run the command again');
        }
        $piece = gzdecode($this->exactly($size), 64 * CHUNK);
        if ($piece === false) {
            throw new Torn('what arrived is not what was sent; run the command again');
        }
        $this->piece = $piece;
        $this->used = 0;
    }
    private function exactly($size)
    {
        $data = '';
        while (strlen($data) < $size) {
            $more = fread($this->file, $size - strlen($data));
            if ($more === false || $more === '') {
                throw new Torn('what arrived is not what was sent; run the command again');
            }
            $data .= $more;
        }
        return $data;
    }
    // Write the next bytes to a file, and return their SHA-256.
    public function copy($size, $path)
    {
        $out = fopen($path, 'xb');
        $hash = hash_init('sha256');
        while ($size > 0) {
            if ($this->used >= strlen($this->piece)) {
                $this->next();
            }
            $data = substr($this->piece, $this->used, $size);
            if (fwrite($out, $data) !== strlen($data)) {
                throw new No('the disk is full, or its quota is used up');
            }
            hash_update($hash, $data);
            $this->used += strlen($data);
            $size -= strlen($data);
        }
        if (!fclose($out)) {
            throw new No('the disk is full, or its quota is used up');
        }
        return hash_final($hash);
    }
}

// The list of what the tree becomes: that of the base, less what goes, with what comes.
function become($head)
{
    $list = [];
    if ($head['base'] !== null) {
        $text = file_get_contents(within($head['base']['list']));
        if (!hash_equals($head['base']['sha256'], hash('sha256', $text))) {
            throw new No('the list of the release to start from is another one');
        }
        $list = read_list(within($head['base']['list']));
    }
    foreach ($head['gone'] as $path) {
        unset($list[$path]);
    }
    foreach ($head['files'] as $one) {
        $list[$one[0]] = [$one[1], $one[2]];
    }
    $bytes = 0;
    foreach ($list as $path => $one) {
        member((string) $path);
        $bytes += $one[1];
    }
    if (count($list) > 200000 || $bytes > 4294967296) {
        throw new No('the archive is too large');
    }
    ksort($list, SORT_STRING);
    if (!hash_equals($head['sha256'], hash('sha256', list_text($list)))) {
        throw new No('the list of files does not come out as it should');
    }
    return $list;
}

// Makes a whole tree from a pack and the base's files; goes on where it stopped. Idempotent. A pack that still grows
// is unpacked as far as it is there.
function unpack_tree($given)
{
    $work = new Unpacking($given);
    try {
        $work->go_on();
    } catch (Torn $no) {
        if (empty($given['grows'])) {
            throw $no;
        }
    }
    return $work->answer();
}

class Unpacking
{
    private $given;
    private $at;
    private $place;
    private $files = 0;
    private $done = false;
    public function __construct($given)
    {
        $this->given = $given;
        $this->at = (int) $given['at'];
        $this->place = $given['place'];
    }
    public function answer()
    {
        return ['at' => $this->at, 'place' => $this->place, 'done' => $this->done, 'files' => $this->files];
    }
    public function go_on()
    {
        $pack = new Pack(within($this->given['pack']));
        $into = within($this->given['into']);
        $list = become($pack->head);
        $base = $pack->head['base'] === null ? null : within($pack->head['base']['tree']);
        $sent = [];
        foreach ($pack->head['files'] as $one) {
            $sent[$one[0]] = true;
        }
        $pack->seek($this->place);
        folder($into);
        $paths = array_map('strval', array_keys($list));
        $this->files = count($paths);
        $slice = new Slice();
        for ($first = $this->at; $this->at < $this->files && ($this->at === $first || !$slice->over()); $this->at++) {
            $path = $paths[$this->at];
            $this->one($pack, isset($sent[$path]) ? null : $base . '/' . $path, $into . '/' . $path, $list[$path]);
            $this->place = $pack->place();
        }
        if ($this->at >= $this->files) {
            put(within($this->given['list']), list_text($list));
            $this->done = true;
        }
    }
    private function one($pack, $from, $target, $wanted)
    {
        folder(dirname($target));
        @unlink($target);
        if ($from === null) {
            if ($pack->copy($wanted[1], $target) !== $wanted[0]) {
                throw new Torn('what arrived is not what was sent; run the command again');
            }
        } elseif (!@copy($from, $target) || !is_so($target, $wanted)) {
            throw new No('altered on the host: ' . $from);
        }
        @chmod($target, 0644);
    }
}

function put($path, $text)
{
    $new = $path . '.new';
    if (file_put_contents($new, $text) !== strlen($text)) {
        throw new No('the disk is full, or its quota is used up');
    }
    rename($new, $path);
}

// Writes files of a tree anew, each after what was found there has been kept aside.
function mend($given)
{
    $pack = new Pack(within($given['pack']));
    $tree = within($given['tree']);
    $aside = within($given['aside']);
    $kept = [];
    $pack->seek(null);
    foreach ($pack->head['files'] as $one) {
        $path = member($one[0]);
        $target = $tree . '/' . $path;
        folder(dirname($target));
        if (strpos(realpath(dirname($target)) . '/', realpath($tree) . '/') !== 0) {
            throw new No('a link is in the way');
        }
        $new = dirname($target) . '/.crmhost-' . bin2hex(random_bytes(8));
        if ($pack->copy($one[2], $new) !== $one[1]) {
            @unlink($new);
            throw new Torn('what arrived is not what was sent; run the command again');
        }
        @chmod($new, 0644);
        if ((file_exists($target) || is_link($target)) && !is_so($target, [$one[1], $one[2]])) {
            folder(dirname($aside . '/' . $path));
            if (is_link($target) || is_dir($target)) {
                rename($target, $aside . '/' . $path);
            } else {
                copy($target, $aside . '/' . $path);
                @chmod($aside . '/' . $path, 0600);
            }
            $kept[] = $path;
        }
        rename($new, $target);
    }
    return ['kept' => $kept, 'done' => true];
}

// Removes a folder of ours, in slices; never through a link. This page stays wherever it lies, and so do the folders on
// the way to it: a process of PHP may believe until the end that the document root is there.
function remove($given)
{
    $slice = new Slice();
    $done = gone(within($given['path']), $slice);
    return ['at' => (int) $given['at'] + $slice->removed, 'done' => $done];
}

function gone($path, $slice)
{
    if (is_link($path) || is_file($path)) {
        if (basename($path) === basename(__FILE__)) {
            $slice->stays = true;
        } else {
            unlink($path);
            $slice->removed++;
        }
        return true;
    }
    if (!is_dir($path)) {
        return true;
    }
    @chmod($path, 0755);
    $stays = false;
    foreach (scandir($path) as $name) {
        if ($name !== '.' && $name !== '..') {
            $slice->stays = false;
            if (!gone($path . '/' . $name, $slice)) {
                return false;
            }
            $stays = $stays || $slice->stays;
        }
        if ($slice->removed > 0 && $slice->over()) {
            return false;
        }
    }
    $slice->stays = $stays;
    if (!$stays) {
        $slice->removed++;
        rmdir($path);
    }
    return true;
}

// ---- the customer's database, with the password that came with the question

function database($given)
{
    $at = 'mysql:host=' . $given['host'] . ';port=' . $given['port'] . ';dbname=' . $given['name'];
    return new \PDO($at . ';charset=utf8mb4', $given['user'], $given['password'], [
        \PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION,
        \PDO::ATTR_TIMEOUT => 10,
    ]);
}

function records($given)
{
    $db = database($given['database']);
    $tables = $db->query('show tables')->fetchAll(\PDO::FETCH_COLUMN);
    $answer = ['steps' => new \stdClass(), 'schema' => null, 'error' => null];
    $answer['others'] = count(array_diff($tables, ['crmhost_steps', 'crmhost_schema', TRIAL]));
    $answer['trial'] = in_array(TRIAL, $tables, true) ? trial_of($db) : null;
    if (in_array('crmhost_steps', $tables, true)) {
        foreach ($db->query('select name, state, made_by, at from crmhost_steps')->fetchAll(\PDO::FETCH_NUM) as $row) {
            $answer['steps']->{$row[0]} = [$row[1], $row[2], $row[3]];
        }
    }
    if (in_array('crmhost_schema', $tables, true)) {
        $row = $db->query('select recipe, version, needs from crmhost_schema')->fetch(\PDO::FETCH_NUM);
        $answer['schema'] = $row === false ? null : $row;
    }
    return $answer;
}

function tables_of_ours($db)
{
    $db->exec('create table if not exists crmhost_steps (name varchar(180) primary key, state varchar(16) not null,'
        . ' made_by varchar(180) not null, at varchar(32) not null) engine=InnoDB character set ascii');
    $db->exec('create table if not exists crmhost_schema (one int primary key, recipe varchar(180) not null,'
        . ' version varchar(180) not null, needs varchar(180) not null, at varchar(32) not null)'
        . ' engine=InnoDB character set ascii');
}

function mark($given)
{
    $db = database($given['database']);
    tables_of_ours($db);
    $now = gmdate('Y-m-d\TH:i:s\Z');
    list($recipe, $version, $schema) = $given['schema'];
    $db->beginTransaction();
    $db->prepare('insert ignore into crmhost_schema values (1, ?, ?, ?, ?)')->execute([$recipe, $version, $schema, $now]);
    $db->prepare('update crmhost_schema set version = ?, needs = ?, at = ? where ? or (needs = ? and version <> ?)')
        ->execute([$version, $schema, $now, (int) $given['reached'], $schema, $version]);
    $db->prepare('replace into crmhost_steps values (?, ?, ?, ?)')
        ->execute([$given['name'], $given['state'], $given['release'], $now]);
    $db->commit();
    return [];
}

function forget($given)
{
    $db = database($given['database']);
    tables_of_ours($db);
    $db->prepare('delete from crmhost_steps where name like ?')->execute(['%@' . $given['release']]);
    return [];
}

function value($given)
{
    $row = database($given['database'])->query($given['query'])->fetch(\PDO::FETCH_NUM);
    return ['value' => $row === false ? '' : substr((string) $row[0], 0, 65536)];
}

// Who else is connected to the database; and, if they are to end, they are.
function others($given)
{
    $db = database($given['database']);
    $mine = (int) $db->query('select connection_id()')->fetchColumn();
    $left = 0;
    foreach ($db->query('show processlist')->fetchAll(\PDO::FETCH_NUM) as $row) {
        if ($row[3] === $given['database']['name'] && (int) $row[0] !== $mine) {
            $left++;
            if ($given['end']) {
                try {
                    $db->exec('kill ' . (int) $row[0]);
                } catch (\PDOException $ended) { // meanwhile
                }
            }
        }
    }
    return ['left' => $left];
}

// Drops every table and view; the database itself is the host's.
function clear($given)
{
    $db = database($given['database']);
    $trial = for_trials($db, $given['database']);
    $db->exec('set foreign_key_checks = 0');
    drop_views($db);
    foreach ($db->query('show tables')->fetchAll(\PDO::FETCH_COLUMN) as $name) {
        if ($name !== TRIAL) {
            $db->exec('drop table if exists ' . id($name));
        }
    }
    if ($trial) {
        drop_routines($db);
        $db->exec('drop table if exists ' . TRIAL); // last: as long as anything is there, it says whose that is
    }
    return ['left' => count($db->query('show tables')->fetchAll())];
}

// After a switch: let this PHP look at links and files anew. Where the host lets nobody tell it so, a page whose file
// became another one is run as it was for ever, unless PHP is asked for it by that file's own name.
function fresh($given)
{
    clearstatcache(true);
    foreach (isset($given['pages']) ? $given['pages'] : [] as $page) {
        if (function_exists('opcache_compile_file') && is_file(within($page))) {
            @opcache_compile_file(within($page));
        }
    }
    $keeps = function_exists('opcache_reset') && ini_get('opcache.enable');
    $stale = $keeps ? (int) ini_get('opcache.revalidate_freq') : 0;
    return ['code' => $keeps ? (bool) @opcache_reset() : false, 'stale' => $stale];
}

// Gives folders other names, in order, and lets this PHP look at them anew before it runs another page. This page, which
// may lie in some of them, goes first. Whoever comes too late, since somebody else has done it, does no half of it.
function rename_all($given)
{
    $path = __NAMESPACE__ . '\\within';
    $pages = array_map($path, $given['roots']); // all of it before the first rename, since HOME is found from a folder
    $moves = array_map(function ($move) use ($path) {
        return array_map($path, $move);
    }, $given['moves']);
    foreach ($moves as list($old)) {
        if (!file_exists($old)) {
            throw new No(basename($old) . ' has another name already');
        }
    }
    foreach ($pages as $root) {
        @unlink($root . '/' . basename(__FILE__));
    }
    foreach ($moves as list($old, $new)) {
        if (file_exists($new) || !@rename($old, $new)) {
            throw new No(basename($old) . ' could not be given another name');
        }
    }
    return fresh([]);
}

function bye($given)
{
    return ['gone' => @unlink(__FILE__)];
}

// A PHP file of a release: run as the recipe says, with the request's body as its standard input, or as a page of it.
if ($script . $page !== '') {
    try {
        $release = within(header_of('HTTP_X_CRMHOST_RELEASE'));
        if ($page !== '') {
            $root = rtrim(header_of('HTTP_X_CRMHOST_RELEASE') . '/app/' . header_of('HTTP_X_CRMHOST_ROOT'), '/');
            $script = as_if_it_served($page, $root, header_of('HTTP_X_CRMHOST_AT'));
            $release = dirname($script);
        } else {
            $script = within(header_of('HTTP_X_CRMHOST_RELEASE') . '/' . $script);
            if (!is_file($script)) {
                throw new No('no such file');
            }
            @ini_set('display_errors', '1');
            header('Content-Type: text/plain; charset=utf-8');
        }
    } catch (\Throwable $no) {
        http_response_code(400);
        exit('crmhost: ' . $no->getMessage());
    }
    restore_error_handler();
    chdir($release);
    unset($no, $page, $release, $root, $token);
    require $script;
    exit;
}

// What runs a verb, as an answer: what it found, or why it could not.
function outcome($act)
{
    try {
        return ['ok' => true] + $act();
    } catch (No $no) {
        return ['ok' => false, 'why' => $no->getMessage()];
    } catch (\PDOException $no) {
        return ['ok' => false, 'why' => 'the database said: ' . $no->getMessage()];
    } catch (\Throwable $no) {
        return ['ok' => false, 'why' => get_class($no) . ': ' . $no->getMessage()];
    }
}

//@PARTS@
$asks = ['look', 'digest', 'check', 'records', 'value', 'fresh', 'bye'];
$works = ['unpack_tree', 'mend', 'remove', 'mark', 'take_trial', 'forget', 'others', 'clear', 'rename_all'];
$moves = ['dump', 'make_room', 'fill', 'counted', 'arrange', 'swap'];
ob_start();
$answer = outcome(function () use ($asks, $works, $moves) {
    $order = json_decode(base64_decode($_POST['do'], true), true);
    $verb = is_array($order) && isset($order['verb']) ? $order['verb'] : '';
    if (!in_array($verb, MAY === 'work' ? array_merge($asks, $works, $moves) : $asks, true)) {
        throw new No('this installer may not do that');
    }
    return (__NAMESPACE__ . '\\' . $verb)($order);
});
ob_end_clean();
header('Content-Type: application/json');
header('Cache-Control: no-store');
echo json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES);
