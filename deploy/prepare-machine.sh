#!/bin/sh
# Installs Debian packages that pip cannot provide: venv support, a PostgreSQL server with PostGIS, and programs that are
# given as arguments and have a package of their name. Does nothing and prints nothing if they are installed.
set -eu

python=${PYTHON:-python3}

fail() {
    echo "shifts: $1" >&2
    exit 1
}

has_postgis() {
    for folder in $(dirname "$(command -v postgres || echo /none/x)") /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/pg_config" ] &&
            [ -e "$("$folder/pg_config" --sharedir)/extension/postgis.control" ]; then
            return 0
        fi
    done
    return 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or later is needed ($python is not): install it, or name it with PYTHON=..."

missing=""
"$python" -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -z "${SHIFTS_DATABASE_URL:-}" ] && ! has_postgis; then
    missing="$missing postgresql-postgis"
fi
for program in "$@"; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

alternatives="install$missing yourself, or run the platform in containers with: docker compose up"
command -v apt-get >/dev/null || fail "missing here:$missing. This machine has no apt-get: $alternatives"
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root="sudo"
else
    fail "missing here:$missing. Without root or sudo: $alternatives"
fi

echo "installing$missing from Debian's packages"
log=$(mktemp)
# Keeps the package from starting its own server; the platform's server is in the data folder.
{
    $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common &&
        $as_root mkdir -p /etc/postgresql-common/createcluster.d &&
        echo "create_main_cluster = false" | $as_root tee /etc/postgresql-common/createcluster.d/shifts.conf &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
} >"$log" 2>&1 || {
    tail -n 5 "$log" >&2
    fail "apt-get failed (all of it: $log): $alternatives"
}
rm -f "$log"
