"""The ways to execute a task that there are: the packaged example, or the operator's own file in the state directory.

Above it stands `engine`, below it one TOML file, read anew for every question so that an edit counts at once.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

FILE_NAME: Final = "profiles.toml"

_Text = Annotated[str, Field(min_length=1, max_length=100)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProfileError(Exception):
    """The file of profiles cannot be used; the message says which line of it and what to do."""


class Profile(BaseModel):
    """One way to execute a task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: _Text
    model: _Text
    price: _Amount = Field(description="Money for 1,000 tokens.")
    tokens: _Positive = Field(description="Tokens for an estimated minute of work.")
    pace: _Positive = Field(description="Minutes that an estimated minute takes.")
    quality: float = Field(ge=0, le=100, description="Percent of the work that passes its review.")
    cores: _Amount = Field(description="Processor cores it keeps busy on this machine.")
    memory_gib: _Amount = Field(description="Memory it takes on this machine, GiB.")


_PROFILES: Final = TypeAdapter(Annotated[dict[_Text, Profile], Field(min_length=1, max_length=50)])


def load(state_dir: Path) -> dict[str, Profile]:
    """Return the profiles by name: the operator's, else the packaged example.

    Raises:
        ProfileError: the operator's file cannot be read or says something that cannot be meant.
    """
    own = state_dir / FILE_NAME
    try:
        text = own.read_text("utf-8")
    except FileNotFoundError:
        text = resources.files("workers.reference.choice").joinpath(FILE_NAME).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{own} cannot be read: {error}; make it readable text, or move it away") from error
    try:
        return _PROFILES.validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{own} is no TOML: {error}; correct it, or move it away for the example") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ProfileError(f"{own}: {where}: {problem['msg']}; correct it, or move it away for the example") from error
