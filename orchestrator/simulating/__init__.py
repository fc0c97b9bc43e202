"""What would happen: a plan over recorded samples, through the real machine and the real driver, in no time.

`recording` sorts the samples, `subjects` says whose calls they are, `traffic` has them happen again, `twins` stand for
router, processes, journal and the rollout's surroundings, `simulation` lets time pass, `telling` says it in words.
Above: the verb `simulate` and the figures of `bench`.  Below: the engine, the guard, the domain; the store's twin in
memory.
"""

from orchestrator.simulating.recording import Recording, RecordingError, recording_of
from orchestrator.simulating.simulation import Options, simulate
from orchestrator.simulating.subjects import SubjectError, Subjects, subjects_of
from orchestrator.simulating.telling import Ending, Line, Told

__all__ = [
    "Ending",
    "Line",
    "Options",
    "Recording",
    "RecordingError",
    "SubjectError",
    "Subjects",
    "Told",
    "recording_of",
    "simulate",
    "subjects_of",
]
