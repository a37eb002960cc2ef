# The LAN server that gets its certificate by ACME, with Debian's client; and Debian's ACME authority for tests, which
# such a server or another container of this image runs.
ARG BASE
FROM $BASE
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends certbot openssl pebble \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
