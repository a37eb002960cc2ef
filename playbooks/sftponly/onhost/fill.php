<?php
// Sent as a part of installer.php: what a backup held, put beside the customer's data and then in its place. Nobody is
// inside. Every verb names the folder that the operation has brought; once that is gone, a late request does nothing.

namespace crmhost;

const PART = 8388608; // bytes of each file but the last of those that are one text

// A text that lies in several files, from some byte on.
class Parts
{
    private $folder;
    private $number;
    private $file = null;
    public $at;
    public function __construct($folder, $at)
    {
        if (!is_dir($folder)) {
            throw new No('what was sent is not there any more; run the command again');
        }
        $this->folder = $folder;
        $this->at = $at;
        $this->number = intdiv($at, PART);
        if ($this->open()) {
            fseek($this->file, $at % PART);
        }
    }
    private function open()
    {
        $path = $this->folder . '/' . sprintf('%06d', $this->number);
        $this->file = is_file($path) ? fopen($path, 'rb') : null;
        return $this->file !== null;
    }
    // The next line with its line feed; null at the end.
    public function line()
    {
        $line = '';
        while ($this->file !== null) {
            $more = fgets($this->file);
            if ($more === false) {
                fclose($this->file);
                $this->number++;
                $this->open();
                continue;
            }
            $line .= $more;
            if (substr($more, -1) === "\n") {
                break;
            }
        }
        $this->at += strlen($line);
        return $line === '' ? null : $line;
    }
}

// ---- the database

// A connection on which no other request of ours works, such as one that a killed run had asked for.
function alone($given)
{
    $db = database($given);
    $db->exec('set session lock_wait_timeout = 50');
    $name = "concat('crmhost ', left(sha2(database(), 256), 32))"; // at most 64 characters; newer MySQL has no MD5
    if ((string) $db->query("select get_lock($name, 50)")->fetchColumn() !== '1') {
        throw new No('an earlier request still works on the database; wait a minute and run the command again');
    }
    return $db;
}

// Drops every table, view and routine but our own records; the database itself is the host's.
function make_room($given)
{
    unhurried();
    $db = alone($given['database']);
    if (!is_dir(within($given['folder']))) {
        throw new No('what was sent is not there any more; run the command again');
    }
    for_trials($db, $given['database']);
    tables_of_ours($db); // with the names that this host's records have, whatever the dump would call them
    $db->exec('set foreign_key_checks = 0');
    drop_views($db);
    drop_routines($db);
    foreach ($db->query('show tables')->fetchAll(\PDO::FETCH_COLUMN) as $name) {
        if (!in_array($name, RECORDS, true) && $name !== TRIAL) {
            $db->exec('drop table if exists ' . id($name));
        }
    }
    return [];
}

// Runs a dump's statements from a byte on, for as long as one request may work.
function fill($given)
{
    $db = alone($given['database']);
    $text = new Parts(within($given['folder'] . '/parts/dump'), (int) $given['at']);
    foreach (["sql_mode = 'NO_AUTO_VALUE_ON_ZERO'", "time_zone = '+00:00'", 'foreign_key_checks = 0', 'unique_checks = 0',
        'autocommit = 0'] as $setting) {
        $db->exec('set session ' . $setting);
    }
    $db->exec('set names utf8mb4');
    $answer = (new Filling($db, $text))->go_on();
    $db->exec('commit');
    return $answer;
}

class Filling
{
    private $db;
    private $text;
    private $statement = '';
    private $end = ';';
    private $last = false; // the records of steps, which change at one instant, so in one request
    public function __construct($db, $text)
    {
        $this->db = $db;
        $this->text = $text;
    }
    // It stops between two statements that say nothing about each other: before a comment, or after rows.
    public function go_on()
    {
        $first = $this->text->at;
        $slice = new Slice();
        while (true) {
            $at = $this->text->at;
            $line = $this->text->line();
            if ($line === null) {
                break;
            }
            $between = $this->statement === '' && $this->end === ';';
            $stops = $between && strncmp($line, '--', 2) === 0;
            if ($stops && $at > $first && !$this->last && $slice->over()) {
                return ['at' => $at, 'done' => false];
            }
            if ($this->take($line) && !$this->last && $slice->over()) {
                return ['at' => $this->text->at, 'done' => false];
            }
        }
        if ($this->statement !== '') {
            throw new No('the dump ends in the middle of a statement');
        }
        return ['at' => $this->text->at, 'done' => true];
    }
    // Takes one line more, and tells whether it has ended an INSERT.
    private function take($line)
    {
        $bare = rtrim($line, "\r\n");
        if ($this->statement === '' && ($bare === '' || strncmp($line, '--', 2) === 0)) {
            return false;
        }
        if ($this->statement === '' && preg_match('/^DELIMITER (\S+)/', $line, $found)) {
            $this->end = $found[1];
            return false;
        }
        $this->statement .= $line;
        if (substr($bare, -strlen($this->end)) !== $this->end) {
            return false;
        }
        $sql = trim(substr(rtrim($this->statement, "\r\n"), 0, -strlen($this->end)));
        $this->statement = '';
        // What programs write to give a session back the settings that it had: each request has a session of its own.
        if ($sql !== '' && !preg_match('~^/\*M?!\d+ SET [^*]*@OLD_~', $sql)) {
            $this->db->exec($sql);
        }
        $this->last = $this->last || strcasecmp($sql, 'start transaction') === 0;
        return $this->end === ';' && strncmp($sql, 'INSERT', 6) === 0;
    }
}

// Counts the rows of tables, from one on.
function counted($given)
{
    $db = database($given['database']);
    $slice = new Slice();
    $rows = [];
    for ($at = (int) $given['at']; $at < count($given['tables']) && ($rows === [] || !$slice->over()); $at++) {
        $name = $given['tables'][$at];
        $rows[] = [$name, (int) $db->query('select count(*) from ' . id($name))->fetchColumn()];
    }
    return ['at' => $at, 'done' => $at >= count($given['tables']), 'rows' => $rows];
}

// ---- the files

// A name below a folder, with every folder on the way; never through a link.
function below($root, $name)
{
    $path = $root;
    $parts = explode('/', $name);
    foreach ($parts as $depth => $part) {
        if ($part === '' || $part === '.' || $part === '..' || strpos($part, "\0") !== false) {
            throw new No('a file of the backup has a name that leads elsewhere');
        }
        $path .= '/' . $part;
        if ($depth < count($parts) - 1) {
            if (is_link($path)) {
                throw new No('a file of the backup lies below a link');
            }
            if (!is_dir($path)) {
                mkdir($path, 0700);
            }
        }
    }
    return $path;
}

// Makes the files of what was sent in parts; each line of the list says one thing to do.
function arrange($given)
{
    $from = within($given['folder']);
    $list = new Parts($from . '/parts/list', (int) $given['at']);
    folder($from . '/files');
    $slice = new Slice();
    clearstatcache(true);
    while (($line = $list->line()) !== null) {
        arranged($from, json_decode($line, true));
        if ($slice->over()) {
            return ['at' => $list->at, 'done' => false];
        }
    }
    return ['at' => $list->at, 'done' => true];
}

function arranged($from, $told)
{
    list($what, $name) = $told;
    $path = below($from . '/files', base64_decode($name));
    if ($what === 'folder') {
        is_dir($path) || mkdir($path, 0700);
    } elseif ($what === 'part') {
        add_part($from . '/parts/' . $told[2], $path, $told[3]);
    } elseif ($what === 'link') {
        symlink(base64_decode($told[2]), $path);
    } elseif ($what === 'twin') {
        copy(below($from . '/files', base64_decode($told[2])), $path);
    } elseif ($what === 'mode') {
        chmod($path, $told[2]);
    } elseif ($what === 'end') {
        is_file($path) || file_put_contents($path, '');
        clearstatcache(true, $path);
        if (filesize($path) !== $told[2]) {
            throw new No('the disk is full, or its quota is used up');
        }
        chmod($path, $told[3]);
        touch($path, $told[4]);
    }
}

function add_part($part, $path, $at)
{
    if ($at === 0) {
        rename($part, $path);
        return;
    }
    $file = fopen($path, 'r+b');
    fseek($file, $at);
    $copied = stream_copy_to_stream(fopen($part, 'rb'), $file);
    if ($copied !== filesize($part) || !fclose($file)) {
        throw new No('the disk is full, or its quota is used up');
    }
    unlink($part);
}

// Lets what was made beside take the place of what is there, which stays in the operation's own folder until that goes.
function swap($given)
{
    unhurried();
    clearstatcache(true);
    $from = within($given['folder']);
    $data = within('data');
    if (!is_dir($from . '/files') || !is_dir($data)) {
        throw new No('what was sent is not there any more; run the command again');
    }
    folder($from . '/outgoing');
    foreach ($given['names'] as $name) {
        $there = below($data, base64_decode($name));
        if (is_link($there) || file_exists($there)) {
            rename($there, below($from . '/outgoing', base64_decode($name)));
        }
        $new = below($from . '/files', base64_decode($name));
        if (is_link($new) || file_exists($new)) {
            rename($new, $there);
        }
    }
    foreach ($given['folders'] as list($name, $mode)) {
        $path = below($data, $name);
        is_dir($path) || mkdir($path, 0700);
        chmod($path, fileperms($path) & 07777 | $mode);
    }
    return [];
}
