# A shared web host: Apache with Passenger, PHP-FPM as the account, MariaDB, sshd and cron; one account without root.
# As on such hosts, .htaccess may switch Passenger on and rewrite, and where the document root lies is fixed.
ARG BASE
FROM $BASE
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends \
      apache2 libapache2-mod-passenger php-fpm php-cli php-mysql php-mbstring php-xml php-gd php-curl php-intl php-zip \
      mariadb-server mariadb-client openssh-server openssh-sftp-server cron procps unzip python3 python3-venv \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && rm -f /etc/ssh/ssh_host_* && install -d /run/sshd /run/php /run/mysqld && chown mysql: /run/mysqld
RUN useradd -m -d /home/customer -s /bin/bash customer && usermod -p '*' customer && chmod 711 /home/customer \
 && install -d -o customer -g customer -m 755 /home/customer/public_html \
 && a2enmod -q rewrite headers proxy_fcgi setenvif passenger && a2dissite -q 000-default \
 && printf '%s\n' '[customer]' 'user = customer' 'group = customer' 'listen = /run/php/customer.sock' \
      'listen.owner = www-data' 'listen.group = www-data' 'pm = static' 'pm.max_children = 4' \
      >/etc/php/8.2/fpm/pool.d/www.conf \
 && printf '%s\n' 'ServerName webhost' 'PassengerDisableAnonymousTelemetry on' \
      'PassengerDisableSecurityUpdateCheck on' 'PassengerPython /usr/bin/python3' 'PassengerMaxPoolSize 2' \
      '<VirtualHost *:80>' '  DocumentRoot /home/customer/public_html' '  PassengerEnabled off' \
      '  <Directory /home/customer/public_html>' '    Options SymLinksIfOwnerMatch' \
      '    AllowOverride AuthConfig FileInfo Indexes Limit Options=Indexes' '    Require all granted' '  </Directory>' \
      '  <FilesMatch "\.php$">' '    SetHandler "proxy:unix:/run/php/customer.sock|fcgi://localhost/"' \
      '  </FilesMatch>' '</VirtualHost>' >/etc/apache2/sites-available/customer.conf && a2ensite -q customer \
 && printf '%s\n' 'PasswordAuthentication no' 'MaxStartups 50:30:100' >/etc/ssh/sshd_config.d/test.conf \
 && printf '%s\n' '#!/bin/sh' 'set -e' '/usr/sbin/sshd' 'cron' 'php-fpm8.2 --daemonize' \
      'mariadbd-safe --skip-log-error --innodb-flush-log-at-trx-commit=2 >/dev/null 2>&1 &' \
      'exec apachectl -D FOREGROUND' >/usr/local/bin/webhost && chmod 755 /usr/local/bin/webhost
EXPOSE 22 80
CMD ["/usr/local/bin/webhost"]
