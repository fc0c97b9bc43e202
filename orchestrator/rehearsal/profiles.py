"""Where the noise of each tool is kept between runs: sealed, looked through before it is written, whole or not there.

Above: `orchestrator.comparing` and the process that compares mirrored answers.  Below: `shadow.sealing`, `detector`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from orchestrator.rehearsal.detector import look
from orchestrator.shadow.profile import SEALED, Profile, ProfileError
from orchestrator.shadow.redact import Redactor
from orchestrator.shadow.sealing import Seals

PROFILES: Final = Path("analytics", "shadow_profiles")
"""Where the noise of each tool is kept, in the state directory."""


class WithheldError(Exception):
    """A profile is not kept, as something private was left in it; what it looks like is said."""


class Profiles:
    """The profiles of one state directory.

    Attributes:
        seals: makes digests of what they remember, and knows it again.
    """

    def __init__(self, state_dir: Path, redactor: Redactor, known: Sequence[str] = ()) -> None:
        """Build it.

        Args:
            state_dir: the daemon's.
            redactor: with the key of rehearsals.
            known: secrets that the detector looks for as they are.
        """
        self.seals = Seals(redactor)
        self._folder = state_dir / PROFILES
        self._known = known

    def kept(self, tool: str, fingerprint: str) -> Profile | None:
        """Return what was learned of a tool, its values sealed; None for nothing that can be used.

        Raises:
            OSError: it cannot be read.
            ProfileError: it is no profile.
        """
        try:
            body = self._path(tool).read_bytes()
        except FileNotFoundError:
            return None
        return self.seals.opened(body, tool, fingerprint)

    def keep(self, profile: Profile) -> None:
        """Write a profile; what was kept of its tool before is gone even when this one is withheld.

        Raises:
            OSError: it cannot be written.
            WithheldError: the detector found something in it.
        """
        path = self._path(profile.tool)
        body = self.seals.sealed(profile)
        apart = msgspec.json.format(body, indent=0).decode()  # numbers beside each other are no groups of one number
        if leaks := look(apart, self._known):
            path.unlink(missing_ok=True)
            raise WithheldError(f"it looks like {', '.join(sorted({leak.rule for leak in leaks}))}")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.touch(mode=0o600)
        partial.write_bytes(body)
        partial.replace(path)

    def seal_all(self) -> list[str]:
        """Rewrite the profiles that an earlier Switchover left unsealed; what is none, and halves of one, go.

        Returns:
            What could not be done, in words.
        """
        notes: list[str] = []
        for partial in self._folder.glob("*.[0-9]*"):
            with contextlib.suppress(OSError):
                partial.unlink()  # of a run that was killed; one that is just being written is learned anew
        for path in sorted(self._folder.glob("*.json")):
            try:
                profile = self.seals.read(path.read_bytes(), path.name)
                if profile.format == SEALED:
                    continue
                self.keep(profile)
                if path != self._path(profile.tool):
                    path.unlink()
            except ProfileError as error:
                path.unlink(missing_ok=True)
                notes.append(f"{error}; it is gone now, as nobody knows what it held")
            except (OSError, WithheldError) as error:
                notes.append(f"the profile {path.name} is not kept: {error}")
        return notes

    def _path(self, tool: str) -> Path:
        return self._folder / f"{hashlib.sha256(tool.encode()).hexdigest()[:32]}.json"
