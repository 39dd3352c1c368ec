#!/bin/sh
# Creates a user and a database for each application when Postgres first starts.
set -eu
create() { # name, variable with its password: psql reads it, as any user can list arguments
  psql --no-psqlrc --set ON_ERROR_STOP=1 --set name="$1" <<END
\getenv password $2
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
END
}
{% for name in cookiecutter.__databases.split() %}
create {{{ name }}} {{{ name | upper }}}_DB_PASSWORD
{% endfor %}
{% if cookiecutter.source == "sql" %}
# The sample, until SOURCE_URL in .env names another database: `source` writes it, the pipeline is `reader`.
create source SOURCE_DB_PASSWORD
psql --no-psqlrc --set ON_ERROR_STOP=1 --dbname=source <<'END'
\getenv password READER_DB_PASSWORD
CREATE ROLE reader LOGIN PASSWORD :'password';
ALTER DEFAULT PRIVILEGES FOR ROLE source GRANT SELECT ON TABLES TO reader;
END
{% endif %}
