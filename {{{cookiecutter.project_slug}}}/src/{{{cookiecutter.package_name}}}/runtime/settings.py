"""The base class of typed parameters. The team's `params.py` uses it."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A section of `params.yaml`: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
