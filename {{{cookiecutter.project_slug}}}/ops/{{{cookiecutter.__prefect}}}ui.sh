#!/usr/bin/env bash
# `make ui`: start the Prefect server, the MLflow server and a worker; Ctrl-C stops all of them.
set -euo pipefail
set -m # each server has its own process group, so that `finish` stops its children too

prefect_port=${PREFECT_PORT:-4200} mlflow_port=${MLFLOW_PORT:-5000} logs=.prefect/logs
export PATH="$PWD/.venv/bin:$PATH" MLFLOW_PORT=$mlflow_port
export PREFECT_API_URL=http://127.0.0.1:$prefect_port/api
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
mkdir -p $logs

for port in "$prefect_port" "$mlflow_port"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Port $port is taken: stop what uses it, or set PREFECT_PORT or MLFLOW_PORT." >&2
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

failed() { # shows the end of a log
  echo "error: $1; the end of $logs/$2.log:" >&2
  tail -n 20 $logs/"$2".log >&2
  exit 1
}

servers=() # their names, by process
check_servers() {
  for pid in "${!servers[@]}"; do
    kill -0 "$pid" 2>/dev/null || failed "The ${servers[$pid]} stopped" "${servers[$pid]}"
  done
}

echo "Starting the servers; their logs are in $logs/ ..."
prefect server start --host 127.0.0.1 --port "$prefect_port" >$logs/prefect.log 2>&1 &
servers[$!]=prefect
mlflow server --host 127.0.0.1 --port "$mlflow_port" --workers 1 \
  --backend-store-uri sqlite:///mlflow.db >$logs/mlflow.log 2>&1 &
servers[$!]=mlflow
deploy() {
  prefect server status --wait --timeout 120 &&
    prefect --no-prompt work-pool create local --type process --overwrite &&
    prefect --no-prompt deploy --all &&
    python -m flows.automations >&3
}
deploy 3>&1 >$logs/deploy.log 2>&1 &
deploying=$!
while [ "$(jobs -rp | wc -l)" -eq 3 ]; do sleep 0.2; done # until the deploy ends, or a server stops
check_servers
wait $deploying || failed "The flows were not deployed" deploy
prefect worker start --pool local --name local >$logs/worker.log 2>&1 &
servers[$!]=worker

echo "
  Prefect   http://127.0.0.1:$prefect_port
  MLflow    http://127.0.0.1:$mlflow_port

A worker serves the deployments of prefect.yaml. Ctrl-C stops everything."
while [ "$(jobs -rp | wc -l)" -eq 3 ]; do sleep 1; done
check_servers
