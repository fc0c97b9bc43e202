"""The control plane on `control.sock`: each verb once, as HTTP; the CLI is its thin client.

Above: `daemon` mounts it.  Below: `engine` takes the events; a status source says how things stand.
"""
