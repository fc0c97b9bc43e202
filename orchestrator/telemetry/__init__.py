"""What the daemon says about itself: log lines, metrics, systemd notifications.

Above: everything may speak.  Below: nothing of ours but `domain`.  Saying something never blocks the loop.
"""
