<?php
// What a deploy and the scheduler run; each prints one line.
require __DIR__ . '/lib/site.php';
restore_exception_handler();
$db = database();
switch ($argv[1]) {
    case 'tables':
        $db->exec('CREATE TABLE account (name VARCHAR(60) PRIMARY KEY, hash VARCHAR(255) NOT NULL)');
        $db->exec('CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, text TEXT NOT NULL)');
        $db->exec('CREATE VIEW notes AS SELECT text FROM note');
        echo "made 2 tables\n";
        break;
    case 'admin':
        [$name, $password] = explode("\n", stream_get_contents(STDIN), 2);
        $made = $db->prepare('REPLACE INTO account VALUES (?, ?)');
        $made->execute([$name, password_hash($password, PASSWORD_BCRYPT, ['cost' => 4])]);
        echo "administrator ready\n";
        break;
    case 'beat':
        $db->exec("INSERT INTO note (text) VALUES ('beat')");
        echo "beat\n";
}
