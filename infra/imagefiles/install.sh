# install.sh FROM BELOW: makes /opt/crm, a virtual environment with the packages of /build/lock.txt, and compiles them.
# Runs while an image is built, in a stage of its own. Every package is checked against its hash.
set -eu
python3 /build/check_python.py "$1" "$2"
[ ! -s /build/authority.pem ] || export PIP_CERT=/build/authority.pem
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore

python3 -m venv --without-pip /opt/crm
install() { python3 -m pip --python /opt/crm/bin/python install --require-hashes --no-deps "$@"; }
if [ -s /build/build.txt ]; then
  # What exists only as source is built by these, and not by whatever is newest today.
  install -r /build/build.txt
  install --no-build-isolation -r /build/lock.txt
else
  install -r /build/lock.txt
fi
# Compiled once, here: the file system is read-only where it runs. By content, since times are those of the build.
python3 /build/compile.py /opt/crm
