# WordPress from Debian's packages as one archive, as its project would publish one: links followed, Debian's own
# configuration left out. The packages that it needs are installed for the sake of these links alone.
ARG BASE
FROM $BASE
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      wordpress wordpress-theme-twentytwentythree \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && mkdir /srv/wordpress-6.1 && cp -rL /usr/share/wordpress/. /srv/wordpress-6.1/ \
 && rm -rf /srv/wordpress-6.1/wp-config.php /srv/wordpress-6.1/wp-content/languages \
 && chmod -R u=rwX,go=rX /srv/wordpress-6.1 \
 && tar -C /srv --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - wordpress-6.1 | gzip -n >/srv/wordpress-6.1.tar.gz \
 && rm -rf /srv/wordpress-6.1
CMD ["sleep", "infinity"]
