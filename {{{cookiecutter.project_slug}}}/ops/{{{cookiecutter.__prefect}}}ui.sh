#!/usr/bin/env bash
# `make ui`: start the Prefect server{{{ ", the " ~ cookiecutter.__pages ~ " server" if cookiecutter.__pages else "" }}} and a worker; Ctrl-C stops all of them.
set -euo pipefail
set -m # each server has its own process group, so that `finish` stops its children too

prefect_port=${PREFECT_PORT:-4200} logs=.prefect/logs
export PATH="$PWD/.venv/bin:$PATH"
export PREFECT_API_URL=http://127.0.0.1:$prefect_port/api
if [ -n "${PREFECT_SERVER_API_AUTH_STRING:-}" ]; then # the server asks for it
  export PREFECT_API_AUTH_STRING=$PREFECT_SERVER_API_AUTH_STRING
fi
{% if cookiecutter.__pages %}
export {{{ cookiecutter.__pages | upper }}}_PORT="{{{ "${" ~ cookiecutter.__pages | upper ~ "_PORT:-" ~ cookiecutter.__pages_port ~ "}" }}}"
pages_port=${{{ cookiecutter.__pages | upper }}}_PORT
{% endif %}
{% if cookiecutter.__registry == "mlflow" %}
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
pages() {
  mlflow server --host 127.0.0.1 --port "$pages_port" --workers 1 --backend-store-uri sqlite:///mlflow.db
}
{% elif cookiecutter.tracker == "trackio" %}
pages() { python -m ops.pages; }
{% endif %}
mkdir -p $logs

taken=
for port in PREFECT_PORT:$prefect_port{{{ " " ~ cookiecutter.__pages | upper ~ "_PORT:$pages_port" if cookiecutter.__pages else "" }}}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/${port#*:}") 2>/dev/null; then
    echo "Port ${port#*:} is taken: stop what uses it, or set ${port%:*}." >&2
    taken=yes
  fi
done
[ -z "$taken" ] || exit 2

finish() {
  trap '' EXIT INT TERM
  exec 2>/dev/null # the shell reports each job that it kills
  for signal in TERM KILL; do
    for group in $(jobs -p); do kill -$signal -- "-$group" || true; done
    for _ in $(seq 50); do [ -z "$(jobs -rp)" ] && break; sleep 0.2; done
  done
}
trap finish EXIT
trap 'exit 0' INT TERM

failed() { # shows the end of a log
  echo "error: $1; the end of $logs/$2.log:" >&2
  tail -n 20 $logs/"$2".log >&2
  exit 1
}

servers=() # their names, by process
all_run() { for pid in "${!servers[@]}" "$@"; do kill -0 "$pid" 2>/dev/null || return 1; done; }
check_servers() {
  for pid in "${!servers[@]}"; do
    kill -0 "$pid" 2>/dev/null || failed "${servers[$pid]} stopped" "${servers[$pid]}"
  done
}

echo "Starting the servers; their logs are in $logs/ ..."
prefect server start --host 127.0.0.1 --port "$prefect_port" >$logs/prefect.log 2>&1 &
servers[$!]=prefect
{% if cookiecutter.__pages %}
pages >$logs/{{{ cookiecutter.__pages | lower }}}.log 2>&1 &
servers[$!]={{{ cookiecutter.__pages | lower }}}
{% endif %}
deploy() {
  prefect server status --wait --timeout 120 &&
    prefect --no-prompt work-pool create local --type process --overwrite &&
    prefect --no-prompt deploy --all &&
    python -m flows.automations >&3
}
deploy 3>&1 >$logs/deploy.log 2>&1 &
deploying=$!
while all_run $deploying; do sleep 0.2; done # until the deploy ends, or a server stops
check_servers
wait $deploying || failed "The flows were not deployed" deploy
prefect worker start --pool local --name local >$logs/worker.log 2>&1 &
servers[$!]=worker

echo "
  Prefect   http://127.0.0.1:$prefect_port
{% if cookiecutter.__pages %}
  {{{ "%-9s" | format(cookiecutter.__pages) }}} http://127.0.0.1:$pages_port
{% endif %}

A worker serves the deployments of prefect.yaml. Ctrl-C stops everything."
while all_run; do sleep 1; done
check_servers
