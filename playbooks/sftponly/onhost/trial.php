<?php
// Sent as a part of installer.php: the second database that a host gave, for trials alone. A copy of a customer's CRM is
// brought up in it, and it is emptied then; so it must say itself that this copy is in it: by the comment of a table that
// is made while it is empty, and goes last. It is one statement, so it is there or it is not.

namespace crmhost;

const TRIAL = 'crmhost_trial';

// Whose copy is in it, and which run of crmhost brought that up; null where none is.
function trial_of($db)
{
    $said = 'select table_comment from information_schema.tables where table_schema = database() and table_name = ?';
    $asked = $db->prepare($said);
    $asked->execute([TRIAL]);
    $comment = $asked->fetchColumn();
    return $comment === false ? null : array_pad(explode(' ', $comment, 2), 2, '');
}

// Tells whether a database is one for trials, which may be emptied; stops where another's copy, or none, is in it.
function for_trials($db, $given)
{
    $found = trial_of($db);
    if (empty($given['trial']) && $found === null) {
        return false;
    }
    if ($found === null || $found[0] !== $given['trial']) {
        throw new No('the database does not say that this copy is in it, so it is not emptied');
    }
    return true;
}

// Lets the database say that this run's copy is in it; stops where something is there that no such copy left.
function take_trial($given)
{
    $copy = $given['database']['trial'];
    if (!preg_match('/^[a-z0-9_-]+$/D', $copy) || !preg_match('/^[a-z0-9]+$/D', $given['run'])) {
        throw new No('not the name of a copy');
    }
    $db = database($given['database']);
    $comment = " comment = '" . $copy . ' ' . $given['run'] . "'";
    $found = trial_of($db);
    if ($found !== null && $found[0] === $copy) {
        $db->exec('alter table ' . TRIAL . $comment);
        return [];
    }
    $there = count($db->query('show tables')->fetchAll()) + (int) $db->query(
        'select count(*) from information_schema.routines where routine_schema = database()'
    )->fetchColumn();
    if ($found !== null || $there > 0) {
        throw new No('the database for trials holds what no copy left there; nothing was changed');
    }
    $db->exec('create table ' . TRIAL . ' (one int) engine=InnoDB' . $comment);
    return [];
}

// Views and routines go before the tables: MySQL may refuse to drop one that another account made, and then no row is
// lost yet.
function drop_views($db)
{
    $views = "select table_name from information_schema.tables where table_schema = database() and table_type = 'VIEW'";
    foreach ($db->query($views)->fetchAll(\PDO::FETCH_COLUMN) as $name) {
        $db->exec('drop view if exists ' . id($name));
    }
}

function drop_routines($db)
{
    $routines = 'select routine_name, routine_type from information_schema.routines where routine_schema = database()';
    foreach ($db->query($routines)->fetchAll(\PDO::FETCH_NUM) as list($name, $type)) {
        $db->exec('drop ' . $type . ' if exists ' . id($name));
    }
}
