#!/usr/bin/env bash
# Proves the images without a container daemon: builds both, looks into them, and lets them be the whole platform, with
# a PostGIS of this machine: a file is brought to the API, loaded by a run, and counted in the answer.
# Needs root on Debian or Ubuntu, else it ends with 77; leaves nothing behind but Debian's packages. Takes about five minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null || ! command -v apt-get >/dev/null; then
    echo "images are not tried: buildah's chroot isolation needs root, the right to mount, and Debian's packages" >&2
    exit 77
fi
missing=""
for tool in buildah debootstrap curl; do command -v $tool >/dev/null || missing="$missing $tool"; done
if [ -n "$missing" ]; then
    echo "installing$missing from Debian's packages"
    apt-get update -qq >/dev/null
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1
fi
PYTHON=${PYTHON:-python3} deploy/prepare-machine.sh
postgres=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -n 1)

work=$(mktemp -d)
chmod 755 "$work"
finish() {
    code=$?
    [ $code = 0 ] || tail -n 20 "$work"/*.log >&2 || true
    # The shell would name every service that it ends.
    exec 2>/dev/null
    for group in $(jobs -p); do kill -TERM -- "-$group" || true; done
    wait
    [ ! -d "$work/pg" ] || runuser -u postgres -- "$postgres/pg_ctl" -D "$work/pg" -m immediate stop >/dev/null || true
    tools rm --all >/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
set -m # each service leads a process group of its own, so that it ends with all it started

tools() { buildah --root "$work/images" --runroot "$work/state" "$@"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
step() { printf '== %s s: %s\n' "$SECONDS" "$*"; }
fail() { echo "$*" >&2; exit 1; }
eventually() { # command...: until it succeeds, for two minutes
    for _ in $(seq 240); do
        if "$@" 2>/dev/null; then return; fi
        sleep 0.5
    done
    fail "in vain for two minutes: $*"
}

step "base image"
if ! tools pull --quiet python:3.11-slim >/dev/null 2>&1; then
    echo "cannot be pulled: Debian's own Python 3.11 takes its place"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base" >"$work/base.log"
    # As in the image that it stands for: python and pip in /usr/local, and what this machine trusts.
    chroot "$work/base" python3 -m venv /usr/local
    cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$work/base/etc/pip.conf"
    rm -rf "$work/base/var/cache/apt/archives" "$work/base/var/lib/apt/lists"
    printf 'FROM scratch\nCOPY base /\nENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt\n' >"$work/Basefile"
    printf '*\n!base\n' >"$work/.dockerignore"
    tools bud --quiet --isolation chroot --tag python:3.11-slim --file "$work/Basefile" "$work" >/dev/null
    rm -rf "$work/base"
fi

for image in api pipeline; do
    step "build $image"
    # Docker's format: the one that has health checks.
    tools bud --isolation chroot --pull-never --format docker --target $image --tag shifts-$image . >"$work/build-$image.log" 2>&1
done
tools images --format '{{.Name}} {{.Size}}'

# service image command...: runs in a fresh container of the image; what is published is on this machine's own ports.
service() {
    local image=$1 container
    shift
    container=$(tools from --pull-never "shifts-$image")
    tools run --isolation chroot --volume "$work/landing:/var/lib/shifts/landing" "${environment[@]}" "$container" -- "$@"
}
image_config() { # image, Python's way into its configuration: a list, a word a line
    tools inspect --type image "shifts-$1" |
        python3 -c "import json, sys; print(*json.load(sys.stdin)['Docker']['config']$2, sep='\n')"
}

step "what is in them"
install -d -o 10001 -g 10001 "$work/landing"
environment=()
for image in api pipeline; do
    service $image python -c '
import importlib.util as u, os, shutil, sys
assert os.getuid() == 10001, os.getuid()
assert not os.access("/opt/shifts", os.W_OK)
assert not [t for t in ("gcc", "cc", "make", "pip", "git") if shutil.which(t)]
assert not [m for m in ("pip", "hatchling") if u.find_spec(m)]
' || fail "$image: see above"
done
service pipeline python -c 'from shifts_api.page import BUILT_FILES; assert (BUILT_FILES / "index.html").is_file()'
service api python -c 'from shifts_api.page import BUILT_FILES; assert (BUILT_FILES / "index.html").is_file()'
service pipeline python -c 'import dagster_k8s' # the chart's webserver loads the launcher of runs
service api sh -c 'cd / && python -c "
import importlib.util as u
assert not [m for m in (\"dagster\", \"pandas\", \"sklearn\", \"shifts_pipeline\", \"shifts_platform\") if u.find_spec(m)]"'

step "a database, migrated"
database_port=$(free_port) api_port=$(free_port) code_port=$(free_port) web_port=$(free_port)
install -d -o postgres -g postgres "$work/pg"
owner=owner$RANDOM$RANDOM web=web$RANDOM$RANDOM
echo $owner >"$work/password"
runuser -u postgres -- "$postgres/initdb" -D "$work/pg" -U shifts --auth=scram-sha-256 --pwfile="$work/password" >"$work/initdb.log"
runuser -u postgres -- "$postgres/pg_ctl" -D "$work/pg" -w -l "$work/pg/log" \
    -o "-p $database_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work/pg" start >/dev/null
server=127.0.0.1:$database_port
environment=(
    --env "SHIFTS_DATABASE_URL=postgresql://shifts:$owner@$server/shifts"
    --env "SHIFTS_DAGSTER_DATABASE_URL=postgresql+psycopg2://shifts:$owner@$server/shifts_dagster"
    --env "SHIFTS_LANDING_URL=/var/lib/shifts/landing"
    --env "SHIFTS_CODE_SERVER_HOST=127.0.0.1" --env "SHIFTS_CODE_SERVER_PORT=$code_port"
)
service pipeline shifts migrate >"$work/migrate.log" 2>&1
PGPASSWORD=$owner API_DATABASE_PASSWORD=$web "$postgres/psql" -h 127.0.0.1 -p "$database_port" -U shifts -d shifts -qX \
    -f deploy/sql/api_login.sql

step "the platform"
on_free_port() { sed "s/^4000\$/$code_port/"; }
readarray -t code < <(image_config pipeline "['Cmd']" | on_free_port)
readarray -t is_healthy < <(image_config pipeline "['Healthcheck']['Test'][1:]" | on_free_port)
service pipeline "${code[@]}" >"$work/code.log" 2>&1 &
eventually service pipeline "${is_healthy[@]}" >/dev/null
service pipeline dagster-daemon run -w dagster/workspace.yaml >"$work/daemon.log" 2>&1 &
service pipeline dagster-webserver -w dagster/workspace.yaml -h 127.0.0.1 -p "$web_port" >"$work/webserver.log" 2>&1 &
environment=(
    --env "SHIFTS_DATABASE_URL=postgresql://shifts_web:$web@$server/shifts"
    --env "SHIFTS_DAGSTER_DATABASE_URL=postgresql://shifts_web:$web@$server/shifts_dagster"
    --env "SHIFTS_LANDING_URL=/var/lib/shifts/landing"
    --env "SHIFTS_API_PORT=$api_port" --env "SHIFTS_API_KEY=proof"
)
readarray -t api < <(image_config api "['Cmd']")
readarray -t is_healthy < <(image_config api "['Healthcheck']['Test'][1:]")
service api "${api[@]}" >"$work/api.log" 2>&1 &
eventually service api "${is_healthy[@]}"
url=http://127.0.0.1:$api_port
eventually curl --silent --fail --output /dev/null "$url/ready"
curl --silent --fail "$url/health" && echo
eventually curl --silent --fail --output /dev/null "http://127.0.0.1:$web_port/server_info"
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: evil.example' \
    "http://127.0.0.1:$web_port/server_info")" = 421 ] || fail "the webserver answers under any host"

step "a file, from the API to the answer"
{
    echo "region,origin_coord,destination_coord,datetime,datasource"
    for day in 01 02 03; do echo "Hamburg,POINT (9.99 53.55),POINT (10.01 53.57),2018-05-$day 08:00:00,proof"; done
} >"$work/trips.csv"
curl --silent --fail --show-error --header "Authorization: Bearer proof" --data-binary "@$work/trips.csv" \
    "$url/api/v1/files?name=trips.csv" && echo
box='region=Hamburg&nortest=11,54&southest=9,53'
answered() { curl --silent --header "Authorization: Bearer proof" "$url/api/v1/trips/stats?$box" | grep -F '"mean":3'; }
eventually answered
step "the platform runs in its images"
