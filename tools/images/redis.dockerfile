# Laid out like the official redis image.
ARG BASE
FROM $BASE
RUN groupadd -r -g 999 redis && useradd -r -u 999 -g redis -d /data -s /usr/sbin/nologin redis \
 && apt-get update -qq && apt-get install -y -qq redis-server \
 && apt-get clean && rm -rf /var/lib/apt/lists/* && install -d -o redis -g redis /data
WORKDIR /data
VOLUME /data
EXPOSE 6379
CMD ["redis-server"]
