#!/usr/bin/env bash
# `make ui`: start the Prefect server{{{ ", the " ~ cookiecutter.__pages ~ " server" if cookiecutter.__pages else "" }}} and a worker; Ctrl-C stops all of them.
set -euo pipefail
set -m # each server has its own process group, so that `finish` stops its children too

prefect_port=${PREFECT_PORT:-4200} logs=.prefect/logs
export PATH="$PWD/.venv/bin:$PATH"
export PREFECT_API_URL=http://127.0.0.1:$prefect_port/api
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

for port in "$prefect_port"{{{ ' "$pages_port"' if cookiecutter.__pages else "" }}}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Port $port is taken: stop what uses it, or set PREFECT_PORT{{{ " or " ~ cookiecutter.__pages | upper ~ "_PORT" if cookiecutter.__pages else "" }}}." >&2
    exit 2
  fi
done

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

echo "Starting the servers; their logs are in $logs/ ..."
prefect server start --host 127.0.0.1 --port "$prefect_port" >$logs/prefect.log 2>&1 &
{% if cookiecutter.__pages %}
pages >$logs/{{{ cookiecutter.__pages | lower }}}.log 2>&1 &
{% endif %}
deploy() {
  prefect server status --wait --timeout 120 &&
    prefect --no-prompt work-pool create local --type process --overwrite &&
    prefect --no-prompt deploy --all &&
    python -m flows.automations >&3
}
deploy 3>&1 >$logs/deploy.log 2>&1 &
deploying=$!
while [ "$(jobs -rp | wc -l)" -eq {{{ 3 if cookiecutter.__pages else 2 }}} ]; do sleep 0.2; done # until the deploy ends, or a server stops
if [ "$(jobs -rp | grep -cvx $deploying)" -ne {{{ 2 if cookiecutter.__pages else 1 }}} ] || ! wait $deploying; then
  tail -n 20 $logs/deploy.log $logs/prefect.log{{{ " $logs/" ~ cookiecutter.__pages | lower ~ ".log" if cookiecutter.__pages else "" }}} >&2
  exit 1
fi
prefect worker start --pool local --name local >$logs/worker.log 2>&1 &

echo "
  Prefect   http://127.0.0.1:$prefect_port
{% if cookiecutter.__pages %}
  {{{ "%-9s" | format(cookiecutter.__pages) }}} http://127.0.0.1:$pages_port
{% endif %}

A worker serves the deployments of prefect.yaml. Ctrl-C stops everything."
while [ "$(jobs -rp | wc -l)" -eq {{{ 3 if cookiecutter.__pages else 2 }}} ]; do sleep 1; done
echo "A server stopped: see $logs/." >&2
exit 1
