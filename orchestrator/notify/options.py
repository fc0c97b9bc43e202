"""What may be set about notices, and the checks that need more than one setting or a file.

Above: `notifier`; the daemon fills it from the section `[notify]`.  Below: the file with the secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orchestrator.domain.errors import SettingsError
from orchestrator.notify.schedule import Rules

SHORTEST_SECRET: Final = 16
"""Characters a secret has at least: shorter ones can be guessed from one signed body."""


@dataclass(frozen=True, slots=True)
class NotifyOptions:
    """The section `[notify]`.  Addresses and secret stay out of its text, because they open doors.

    Attributes:
        webhooks: addresses that every change is posted to.
        secret: what webhooks are signed with; goes before `secret_file`.
        secret_file: file that holds it.
        apprise: further destinations as apprise writes them.
        retry_initial: seconds before a failed delivery is tried again; doubled each time.
        retry_cap: longest wait in seconds.
        give_up_after: seconds after which a delivery that always failed is given up.
        timeout: seconds a webhook may take to answer.
    """

    webhooks: tuple[str, ...] = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)
    secret_file: Path | None = None
    apprise: tuple[str, ...] = field(default=(), repr=False)
    retry_initial: float = 1.0
    retry_cap: float = 300.0
    give_up_after: float = 86_400.0
    timeout: float = 10.0

    @property
    def rules(self) -> Rules:
        """How often and how long a notice is tried."""
        return Rules(self.retry_initial, self.retry_cap, self.give_up_after)

    def check(self) -> bytes:
        """Return what webhooks are signed with; empty when there are none.

        Raises:
            SettingsError: an address is none, or there is no usable secret though there are webhooks.
        """
        for number, address in enumerate(self.webhooks, start=1):
            if not is_address(address):
                raise SettingsError(f"notify.webhooks: entry {number} is no http(s) address; write https://host/path")
        for number, address in enumerate(self.apprise, start=1):
            if "://" not in address:  # the rest is for apprise to say, with the first notice
                raise SettingsError(f"notify.apprise: entry {number} has no scheme; write it as in slack://...")
        return self._secret() if self.webhooks else b""

    def _secret(self) -> bytes:
        if self.secret is None and self.secret_file is None:
            raise SettingsError("notify.webhooks are signed, so they need notify.secret_file (or notify.secret)")
        text = self.secret if self.secret is not None else read_secret(self.secret_file or Path())
        where = "notify.secret" if self.secret is not None else f"notify.secret_file {self.secret_file}"
        if len(text) < SHORTEST_SECRET:
            raise SettingsError(f"{where}: has {len(text)} characters; allowed: at least {SHORTEST_SECRET}")
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise SettingsError(f"{where}: is not valid Unicode") from None  # the error would show the text


def is_address(text: str) -> bool:
    """Tell whether a webhook can be posted to `text`."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


def read_secret(path: Path) -> str:
    """Return a secret from its file, without the line's end.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"notify.secret_file {path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError:
        raise SettingsError(f"notify.secret_file {path}: is not UTF-8 text") from None  # the error would show bytes
