<?php
// Sent as a part of installer.php: the customer's database as text, all of it as one instant saw it. The form is that
// of playbooks/onhost/mysqltext.py, which MySQL's and MariaDB's own programs read.

namespace crmhost;

const RECORDS = ['crmhost_steps', 'crmhost_schema'];
const STATEMENT = 262144; // bytes of an INSERT after which the next one begins
const HEXED = 262144; // bytes of a value up to which it is written in hex, which doubles it
const NUMBERS = '/^(tinyint|smallint|mediumint|int|integer|bigint|decimal|numeric|year)$/';
const FLOATS = '/^(float|double|real)$/';
const TEXTS = '/^(char|varchar|(tiny|medium|long)?text|enum|set|json|date|time|datetime|timestamp|uuid|inet[46])$/';

function driver_option($name)
{
    $new = 'Pdo\\Mysql::ATTR_' . $name;
    return constant(defined($new) ? $new : 'PDO::MYSQL_ATTR_' . $name);
}

// A name as SQL has it. One with a line feed in it would end the comment, or the row, that it stands in.
function id($name)
{
    if (preg_match('/[\x00-\x1f\x7f]/', $name)) {
        throw new No(json_encode($name) . ' is a name with control characters, which no dump carries; rename it');
    }
    return '`' . str_replace('`', '``', $name) . '`';
}

function unhurried()
{
    @ignore_user_abort(true);
    if (function_exists('set_time_limit')) {
        @set_time_limit(0);
    }
}

// The file that a dump is written to: made by whoever asked, so that no late request writes what nobody waits for.
class Sink
{
    private $path;
    private $file;
    private $hash;
    private $looked;
    public $size = 0;
    public function __construct($path)
    {
        $this->path = $path;
        $this->look();
        $this->file = fopen($path, 'r+b');
        ftruncate($this->file, 0); // where this request is a second one, after the first was ended
        $this->hash = hash_init('sha256');
    }
    private function look()
    {
        clearstatcache(true, $this->path);
        if (!is_file($this->path)) {
            throw new No('nobody waits for this dump any more');
        }
        $this->looked = microtime(true);
    }
    public function write($text)
    {
        if (fwrite($this->file, $text) !== strlen($text)) {
            throw new No('the disk is full, or its quota is used up');
        }
        hash_update($this->hash, $text);
        $this->size += strlen($text);
        if (microtime(true) - $this->looked > 2) {
            $this->look();
        }
    }
    public function close()
    {
        if (!fclose($this->file)) {
            throw new No('the disk is full, or its quota is used up');
        }
        return ['size' => $this->size, 'sha256' => hash_final($this->hash)];
    }
}

class Dumping
{
    private $db;
    private $out;
    private $packet;
    private $counted = [];
    public function __construct($db, $out)
    {
        $this->db = $db;
        $this->out = $out;
        $this->packet = (int) $this->column('select @@max_allowed_packet')[0];
    }
    private function rows($query)
    {
        return $this->db->query($query)->fetchAll(\PDO::FETCH_NUM);
    }
    private function column($query)
    {
        return $this->db->query($query)->fetchAll(\PDO::FETCH_COLUMN);
    }
    public function all($records)
    {
        $there = $this->rows('select table_name, table_type, engine from information_schema.tables'
            . ' where table_schema = database() order by table_name');
        check_tables($there);
        $this->out->write("-- crmhost: a dump of MySQL or MariaDB, in utf8mb4\nset names utf8mb4;\n"
            . "set time_zone = '+00:00';\nset foreign_key_checks = 0;\nset unique_checks = 0;\n"
            . "set sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n");
        $views = [];
        foreach ($there as list($name, $type)) {
            if ($type === 'VIEW') {
                $views[] = $name;
            } elseif (!in_array($name, RECORDS, true)) {
                $this->table($name);
            }
        }
        $this->routines();
        $this->views($views);
        $this->triggers();
        $this->records($records, array_column($there, 0));
        return ['tables' => $this->counted, 'server' => $this->column('select version()')[0]];
    }
    private function table($name)
    {
        $this->db->exec('savepoint crmhost');
        $made = $this->rows('show create table ' . id($name))[0][1];
        $this->out->write("\n-- Table " . id($name) . "\ndrop table if exists " . id($name) . ";\n" . $made . ";\n"
            . '-- Dumping data for table ' . id($name) . "\n");
        $columns = $this->rows('select column_name, data_type, character_set_name from information_schema.columns'
            . ' where table_schema = database() and table_name = ' . $this->db->quote($name)
            . " and extra not regexp '(^| )(VIRTUAL|STORED|PERSISTENT)( |$)' order by ordinal_position");
        $this->counted[] = [$name, $this->inserts($name, array_map(__NAMESPACE__ . '\\column', $columns))];
        $this->db->exec('rollback to savepoint crmhost'); // the customer may alter it again
    }
    private function inserts($name, $columns)
    {
        $head = 'INSERT INTO ' . id($name) . ' (' . implode(',', array_map(__NAMESPACE__ . '\\id', array_column($columns, 0)))
            . ') VALUES ';
        $ways = array_column($columns, 2);
        $count = 0;
        $line = '';
        $this->db->setAttribute(driver_option('USE_BUFFERED_QUERY'), false);
        $found = $this->db->query('select ' . implode(',', array_column($columns, 1)) . ' from ' . id($name));
        while (($row = $found->fetch(\PDO::FETCH_NUM)) !== false) {
            $one = '(' . implode(',', array_map([$this, 'literal'], $row, $ways)) . ')';
            if (strlen($head) + strlen($one) + 1024 > $this->packet) {
                throw new No('a row of ' . $name . ' is longer than max_allowed_packet (' . $this->packet . ' bytes) lets'
                    . ' back in; ask the host to raise that');
            }
            if ($line !== '' && strlen($line) + strlen($one) > STATEMENT) {
                $this->out->write($line . ";\n");
                $line = '';
            }
            $line .= ($line === '' ? $head : ',') . $one;
            $count++;
        }
        $found->closeCursor();
        $this->db->setAttribute(driver_option('USE_BUFFERED_QUERY'), true);
        if ($line !== '') {
            $this->out->write($line . ";\n");
        }
        return $count;
    }
    private function literal($value, $way)
    {
        if ($value === null) {
            return 'NULL';
        }
        if ($way === 'plain') {
            return $value;
        }
        if ($way === 'text' || $value === '') {
            return $this->db->quote($value);
        }
        if ($way === 'hex') {
            return '0x' . $value;
        }
        return strlen($value) <= HEXED ? '0x' . bin2hex($value) : '_binary ' . $this->db->quote($value);
    }
    private function routines()
    {
        $found = $this->rows('select routine_name, routine_type from information_schema.routines'
            . ' where routine_schema = database() order by routine_type, routine_name');
        foreach ($found as list($name, $type)) {
            if ($type !== 'FUNCTION' && $type !== 'PROCEDURE') {
                throw new No($name . ' is a ' . strtolower($type) . ', which crmhost cannot carry; drop it');
            }
            $made = $this->rows('show create ' . $type . ' ' . id($name))[0];
            $this->program($type, $name, $made[2], $made[1], $made[4]);
        }
    }
    private function triggers()
    {
        $found = $this->column('select trigger_name from information_schema.triggers where trigger_schema = database()'
            . ' order by event_object_table, action_timing, event_manipulation, action_order');
        foreach ($found as $name) {
            $made = $this->rows('show create trigger ' . id($name))[0];
            $this->program('TRIGGER', $name, $made[2], $made[1], $made[4]);
        }
    }
    private function program($type, $name, $body, $mode, $collation)
    {
        if ($body === null || $body === '') {
            throw new No('this account may not read the ' . strtolower($type) . ' ' . $name . ', which another one made;'
                . ' drop it, or ask the host to let you have it');
        }
        if (preg_match('/;;\s*$/m', $body)) {
            throw new No('the ' . strtolower($type) . ' ' . $name . ' has ;; at the end of a line, which no dump carries;'
                . ' make it anew without');
        }
        $this->out->write("\n-- " . $type . ' ' . id($name) . "\nset sql_mode = " . $this->db->quote($mode) . ";\n"
            . 'set collation_connection = ' . $this->db->quote($collation) . ";\nDELIMITER ;;\n" . nobodys($body)
            . ";;\nDELIMITER ;\nset names utf8mb4;\nset sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n");
    }
    private function views($names)
    {
        $real = '';
        foreach ($names as $name) {
            $columns = $this->column('select column_name from information_schema.columns where table_schema = database()'
                . ' and table_name = ' . $this->db->quote($name) . ' order by ordinal_position');
            $made = $this->rows('show create view ' . id($name))[0];
            if ($columns === []) {
                throw new No('the view ' . $name . ' cannot be read: what it is made of is gone; drop it');
            }
            $dummy = array_map(function ($column) {
                return '1 as ' . id($column);
            }, $columns);
            $drop = 'drop view if exists ' . id($name) . ";\n";
            $this->out->write("\n-- View " . id($name) . ", for the views that are made of it\n" . $drop
                . 'create view ' . id($name) . ' as select ' . implode(', ', $dummy) . ";\n");
            $real .= "\n-- View " . id($name) . "\n" . $drop . 'set collation_connection = ' . $this->db->quote($made[3])
                . ";\n" . nobodys($made[1]) . ";\nset names utf8mb4;\n";
        }
        $this->out->write($real);
    }
    // They come last and at one instant: until then they tell that what is filled in is not whole.
    private function records($made, $there)
    {
        $this->out->write("\n-- The records of steps\n" . implode(";\n", $made) . ";\nstart transaction;\n");
        foreach (RECORDS as $name) {
            $this->out->write('delete from ' . $name . ";\n-- Dumping data for table " . id($name) . "\n");
            $rows = in_array($name, $there, true) ? $this->rows('select * from ' . $name) : [];
            foreach ($rows as $row) {
                $values = array_map([$this, 'literal'], $row, array_fill(0, count($row), 'text'));
                $this->out->write('INSERT INTO ' . $name . ' VALUES (' . implode(', ', $values) . ");\n");
            }
            $this->counted[] = [$name, count($rows)];
        }
        $this->out->write("-- the records end here\ncommit;\n-- crmhost: whole\n");
    }
}

// How a column is asked for, and how its values are written.
function column($found)
{
    list($name, $type, $charset) = $found;
    if (preg_match(NUMBERS, $type)) {
        return [$name, id($name), 'plain'];
    }
    if (preg_match(FLOATS, $type)) {
        return [$name, 'concat(' . id($name) . ' + 0e0)', 'plain']; // with every digit, which a FLOAT alone is not
    }
    if ($type === 'bit') {
        return [$name, 'hex(' . id($name) . ')', 'hex'];
    }
    return [$name, id($name), preg_match(TEXTS, $type) && $charset !== 'binary' ? 'text' : 'bytes'];
}

function check_tables($there)
{
    $odd = [];
    foreach ($there as list($name, $type, $engine)) {
        if ($type !== 'VIEW' && ($type !== 'BASE TABLE' || strcasecmp((string) $engine, 'InnoDB') !== 0)) {
            $odd[] = $name . ' (' . ($type === 'BASE TABLE' ? ($engine === null ? 'broken' : $engine) : strtolower($type)) . ')';
        }
    }
    if ($odd !== []) {
        throw new No('only tables of InnoDB can be read as one instant saw them, and these are others: '
            . implode(', ', $odd) . '; in the control panel: ALTER TABLE name ENGINE=InnoDB, or drop them');
    }
}

// Without who defined it: any account of any server may take it.
function nobodys($sql)
{
    $who = '(`(?:[^`]|``)*`|"(?:[^"]|"")*"|\w+)'; // in the quotes of the program's own sql_mode
    return preg_replace('~^(CREATE(?: OR REPLACE)?(?: ALGORITHM=\w+)?) DEFINER ?= ?' . $who . '(@' . $who . ')?~i', '$1', $sql);
}

// A connection that sees one instant, whatever its host says about how long it may ask.
function snapshot($given)
{
    $db = database($given);
    $db->setAttribute(\PDO::ATTR_STRINGIFY_FETCHES, true);
    foreach (['max_execution_time', 'max_statement_time'] as $limit) {
        try {
            $db->exec('set session ' . $limit . ' = 0');
        } catch (\PDOException $no) {
            continue; // one of the two is MySQL's, the other MariaDB's
        }
    }
    foreach (["sql_mode = ''", "time_zone = '+00:00'", 'net_write_timeout = 600', 'lock_wait_timeout = 50'] as $setting) {
        $db->exec('set session ' . $setting);
    }
    $db->exec('set names utf8mb4');
    $db->exec('set session transaction isolation level repeatable read');
    $db->exec('start transaction with consistent snapshot');
    return $db;
}

// Writes the dump to a file that is there, empty, and gives it its name when it is whole. The answer lies beside it,
// since the web server may have cut this request by then.
function dump($given)
{
    unhurried();
    $path = within($given['into']);
    $part = within($given['into'] . '.part');
    $answer = outcome(function () use ($given, $part) {
        $sink = new Sink($part);
        try {
            $found = (new Dumping(snapshot($given['database']), $sink))->all($given['records']);
        } catch (\PDOException $no) {
            if (in_array((int) ($no->errorInfo[1] ?? 0), [1146, 1412], true)) {
                throw new No('a table was made anew while it was read; run the command again');
            }
            throw $no;
        }
        return $found + $sink->close();
    });
    clearstatcache(true, $part);
    if (is_file($part)) {
        if ($answer['ok']) {
            rename($part, $path);
        }
        put($path . '.json', json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE));
        chmod($path . '.json', 0600);
    }
    if (!$answer['ok']) {
        throw new No($answer['why']);
    }
    return $answer;
}
