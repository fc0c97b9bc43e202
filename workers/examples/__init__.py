"""Examples for authors of workers: each is one file that runs alone, and behind Switchover.

Nothing imports them; the tests run them behind a daemon.
"""
