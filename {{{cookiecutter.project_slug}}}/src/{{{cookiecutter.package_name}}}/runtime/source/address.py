"""Which kind of source an address names."""

from ..config import Params
from .kinds import Kind
from .reader import Source


def source_of(params: Params) -> Kind:
    """Return the source of a project.

    Raises:
        BadInput: nothing can be read from such an address.
    """
{% if cookiecutter.source == "sql" %}
    from .sql import Database, is_database, url_of

    if is_database(params.source):
        return Database(url_of(params.source), params.source_timeout)
{% endif %}
    return Source(params.source, params.source_timeout)
