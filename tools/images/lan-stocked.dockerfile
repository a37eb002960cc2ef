# The LAN server with what a deploy would install: PostgreSQL, Redis and nginx, so that most tests need no apt.
ARG BASE
FROM $BASE
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql redis-server nginx-light \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
