#!/bin/sh
# Gives each application a user and a database of its own, when Postgres first starts.
set -eu
make() { # name, variable of the password: psql reads it, so that no list of processes has it
  psql --no-psqlrc --set ON_ERROR_STOP=1 --set name="$1" <<END
\getenv password $2
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
END
}
make mlflow MLFLOW_DB_PASSWORD
{% if cookiecutter.orchestrator != "kubeflow" %}
make {{{ cookiecutter.orchestrator }}} {{{ cookiecutter.orchestrator | upper }}}_DB_PASSWORD
{% endif %}
