"""`depdis-train` that gets a signal at a fixed place of its run, however busy the machine is.

    python stopped_command.py SIGNAL PLACE ARGUMENTS...

PLACE is the end of a file's path, once the file has its final name, or STAGE:STEP, once that step is logged.
"""

import os
import sys
from pathlib import Path

from depdis_training.run_log import RunLog
from depdis_training.train_cli import main


def stop(signum: int) -> None:
    os.kill(os.getpid(), signum)


def stop_at_file(place: str, signum: int) -> None:
    replace = os.replace

    def replaced(source, target, **keywords):
        replace(source, target, **keywords)
        if Path(target).match(place):
            stop(signum)

    os.replace = replaced


def stop_at_step(stage: str, due: int, signum: int) -> None:
    values = RunLog.values

    def logged(self, step, *arguments):
        values(self, step, *arguments)
        if step >= due and Path(self.lines.name).parent.name == stage:
            RunLog.values = values  # a second signal would end it at once
            stop(signum)

    RunLog.values = logged


if __name__ == "__main__":
    number, where = int(sys.argv[1]), sys.argv[2]
    before, colon, after = where.partition(":")
    if colon:
        stop_at_step(before, int(after), number)
    else:
        stop_at_file(where, number)
    sys.argv = ["depdis-train", *sys.argv[3:]]
    main()
