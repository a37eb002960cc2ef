# What the CRMs' own images are built on, instead of the official python image.
ARG BASE
FROM $BASE
RUN apt-get update -qq && apt-get install -y -qq python3 python3-venv python3-pip python-is-python3 \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
CMD ["python3"]
