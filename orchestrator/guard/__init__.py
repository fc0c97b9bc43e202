"""The guard: samples come in, evidence grows, and at any moment there is a verdict.

Pure: samples and `now` come in, looks and bytes go out; no clock, no files, no loop.  `Guard` watches one epoch of a
rollout; `judge` does the same to recorded samples.  Above: who feeds it and acts on its looks.  Below: the domain's
evidence, plan and values.
"""
