"""Becomes a browser with the rights of an ordinary user: `python unprivileged.py USER BROWSER ARGUMENTS...`, as root.

Chromium refuses to sandbox itself as root, and without a sandbox a browser with root's rights would be worse still.
Playwright makes the profile folder as root; it is given to the user here and is that user's HOME, so that nothing else
of the machine is written to.  It runs alone, with the standard library only.  Above it stands `chromium`, which starts
it in the browser's place; below it the kernel.
"""

from __future__ import annotations

import os
import pwd
import sys

PROFILE = "--user-data-dir="


def main(user: str, browser: str, *arguments: str) -> None:
    """Give up all rights, then become the browser."""
    account = pwd.getpwnam(user)
    home = next(word.removeprefix(PROFILE) for word in arguments if word.startswith(PROFILE))
    os.chown(home, account.pw_uid, account.pw_gid, follow_symlinks=False)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    os.umask(0o077)
    os.chdir(home)
    os.execve(browser, [browser, *arguments], {**os.environ, "HOME": home, "USER": user, "LOGNAME": user})  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main(*sys.argv[1:])
