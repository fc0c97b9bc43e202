"""Samples put together: the tap, processes, what others measured, the file, and everybody who is told.

`bus` passes each sample to its sinks; `patrol` looks at the workers' processes, `error_lines` at what they log;
`posted` and `prometheus` take in what others measured, `keeping` writes to `samples.db`; `measuring` is all of it
in the daemon.  Above: `daemon`.  Below: the proxy's tap, supervision, the store behind `storage`.
"""

from orchestrator.sampling.bus import SampleBus
from orchestrator.sampling.keeping import Keeping
from orchestrator.sampling.measuring import Measuring
from orchestrator.sampling.patrol import Patrol
from orchestrator.sampling.prometheus import PrometheusPoller

__all__ = ["Keeping", "Measuring", "Patrol", "PrometheusPoller", "SampleBus"]
