# Laid out like the official caddy image.
ARG BASE
FROM $BASE
RUN apt-get update -qq && apt-get install -y -qq caddy && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && install -d /config/caddy /data/caddy
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
WORKDIR /srv
EXPOSE 80 443
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
