# A web host that gives its customers SFTP, PHP and a MySQL database, and lets nobody run anything: sshd holds `acme` in
# /srv/acme with SFTP alone, Apache's own PHP runs as that account, and a control panel would serve site/public.
ARG BASE
FROM $BASE
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      apache2 libapache2-mod-php php-mysql mariadb-server openssh-server \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && a2enmod -q ssl rewrite && a2dissite -q 000-default \
 && install -d /run/sshd /etc/ssh/keys && install -d -o mysql /run/mysqld
RUN useradd -M -d / -s /usr/sbin/nologin acme && usermod -p '*' acme \
 && install -d -m 755 /srv/acme && install -d -o acme -g acme -m 755 /srv/acme/site /srv/acme/site/public \
 && echo 'the control panel made this page' >/srv/acme/site/public/index.html \
 && chown acme: /srv/acme/site/public/index.html \
 && printf '%s\n' 'HostKey /etc/ssh/ssh_host_ed25519_key' 'PasswordAuthentication no' 'UsePAM no' \
      'AuthorizedKeysFile /etc/ssh/keys/%u' 'MaxStartups 50:30:100' 'Subsystem sftp internal-sftp' \
      'Match User acme' 'ChrootDirectory /srv/acme' 'ForceCommand internal-sftp' 'AllowTcpForwarding no' \
      >/etc/ssh/sshd_config \
 && printf '%s\n' 'ServerName crm.acme.test' '<VirtualHost *:443>' '  DocumentRoot /srv/acme/site/public' \
      '  SSLEngine on' '  SSLCertificateFile /etc/ssl/site.pem' \
      '  <Directory /srv/acme>' '    Options SymLinksIfOwnerMatch' '    AllowOverride All' '    Require all granted' \
      '  </Directory>' '</VirtualHost>' >/etc/apache2/sites-available/acme.conf && a2ensite -q acme \
 && sed -i 's/^export APACHE_RUN_\(USER\|GROUP\)=.*/export APACHE_RUN_\1=acme/' /etc/apache2/envvars
RUN (mariadbd-safe --skip-log-error >/dev/null 2>&1 &) \
 && until mariadb-admin ping >/dev/null 2>&1; do sleep 0.2; done \
 && mariadb -e "create database acme; create user acme@localhost identified by 'host-gave-this'; \
      grant all on acme.* to acme@localhost" && mariadb-admin shutdown
RUN printf '%s\n' '#!/bin/sh' 'set -e' 'chmod 600 /etc/ssh/ssh_host_ed25519_key' '/usr/sbin/sshd' \
      'mariadbd --user=mysql --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=16M >/dev/null 2>&1 &' \
      'until mariadb-admin ping >/dev/null 2>&1; do sleep 0.1; done' \
      '. /etc/apache2/envvars' 'mkdir -p "$APACHE_RUN_DIR" "$APACHE_LOCK_DIR"' 'exec apache2 -D FOREGROUND' \
      >/usr/local/bin/webhost && chmod 755 /usr/local/bin/webhost
EXPOSE 22 443
CMD ["/usr/local/bin/webhost"]
