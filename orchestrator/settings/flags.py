"""The settings of the flags: which there are, how their changes are looked for, and who is told.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

from orchestrator.settings.declare import Directory, Section, Text, Texts, seconds, setting


class Flags(Section):
    """The flags workers read."""

    file: Directory | None = setting(
        None, "TOML file that declares the flags; without it the ones that come with the daemon.", reloadable=True
    )
    poll: float = seconds(
        0.5, "Seconds between two looks at whether somebody changed the stored flags by hand.", reloadable=False
    )
    wait: float = seconds(5.0, "Seconds `flags set --wait` gives the workers to acknowledge.")
    remind_before: float = seconds(
        7 * 24 * 3600.0, "Seconds before a flag expires from which its owner is reminded, once a day.", least=0
    )
    stale_after: float = setting(
        30 * 24 * 3600.0,
        "Seconds at one value, or without a reader, after which a flag is reported as stale.",
        reloadable=True,
        ge=60,
        le=10 * 365 * 24 * 3600.0,
        allow_inf_nan=False,
    )


class Notify(Section):
    """Who is told of changed flags."""

    webhooks: Texts = setting(
        (), "Addresses that every change is posted to, signed.", reloadable=True, allowed="list of http(s) addresses"
    )
    secret_file: Directory | None = setting(
        None,
        "File with the secret that webhooks are signed with (HMAC-SHA256); needed with `webhooks`.",
        reloadable=True,
    )
    secret: Text | None = setting(
        None,
        "The secret itself; for the environment, as more people read a configuration than a file of secrets.",
        reloadable=True,
        min_length=16,
        allowed="text of at least 16 characters",
    )
    apprise: Texts = setting(
        (),
        "Further destinations as apprise writes them, such as `slack://...`, `mailto://...`, `pagerduty://...`.",
        reloadable=True,
        allowed="list of apprise addresses",
    )
    retry_initial: float = seconds(1.0, "Seconds before a failed delivery is tried again; doubled each time.")
    retry_cap: float = seconds(300.0, "Longest wait between two tries, in seconds.")
    give_up_after: float = seconds(24 * 3600.0, "Seconds after which a delivery that always failed is given up.")
