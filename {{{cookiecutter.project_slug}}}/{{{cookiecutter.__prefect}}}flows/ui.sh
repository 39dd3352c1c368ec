#!/usr/bin/env bash
# Start the Prefect server, a worker that serves the deployments, and the MLflow UI, for local use.
# Ctrl-C ends them all. Ports: PREFECT_PORT (4200), MLFLOW_PORT (5000).
set -euo pipefail

prefect_port=${PREFECT_PORT:-4200} mlflow_port=${MLFLOW_PORT:-5000}
export PATH="$PWD/.venv/bin:$PATH" MLFLOW_PORT=$mlflow_port
export PREFECT_API_URL=http://127.0.0.1:$prefect_port/api
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false # pages only
logs=.prefect/logs
mkdir -p $logs

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
for port in "$prefect_port" "$mlflow_port"; do
  if answers "$port"; then
    echo "Port $port is taken: end what uses it, or set PREFECT_PORT or MLFLOW_PORT." >&2
    exit 2
  fi
done

set -m # each server is a group of its own: Ctrl-C comes here only, and here all are told to end
finish() {
  trap '' EXIT INT TERM
  exec 2>/dev/null # who is ended need not be said
  for signal in TERM KILL; do
    for group in $(jobs -p); do kill -$signal -- "-$group" 2>/dev/null || true; done
    for _ in $(seq 50); do [ -z "$(jobs -rp)" ] && break; sleep 0.2; done
  done
}
trap finish EXIT
trap 'exit 0' INT TERM

wait_for() { # name, port, process: until it answers; fails with its log where the process ends
  until answers "$2"; do
    if ! kill -0 "$3" 2>/dev/null; then
      echo "$1 did not start. The end of $logs/$1.log:" >&2
      tail -n 20 "$logs/$1.log" >&2
      exit 1
    fi
    sleep 0.2
  done
}

echo "Starting the servers; their logs are in $logs/ ..."
prefect server start --host 127.0.0.1 --port "$prefect_port" >$logs/prefect.log 2>&1 &
prefect_process=$!
mlflow server --host 127.0.0.1 --port "$mlflow_port" --workers 1 \
  --backend-store-uri sqlite:///mlflow.db >$logs/mlflow.log 2>&1 &
wait_for mlflow "$mlflow_port" $!
wait_for prefect "$prefect_port" $prefect_process

prefect --no-prompt work-pool create local --type process --overwrite >$logs/deploy.log 2>&1
prefect --no-prompt deploy --all >>$logs/deploy.log 2>&1
python -m flows.automations
prefect worker start --pool local --name local >$logs/worker.log 2>&1 &

cat <<END

  Prefect   http://127.0.0.1:$prefect_port
  MLflow    http://127.0.0.1:$mlflow_port
            http://127.0.0.1:$mlflow_port/#/models for the released versions

A worker serves the deployments of prefect.yaml. Ctrl-C ends all.
END
while [ "$(jobs -rp | wc -l)" -eq 3 ]; do sleep 1; done # one of them ended: end the others
echo "One of them ended; their logs are in $logs/." >&2
exit 1
