"""Runs one command and prints what it took as one line of JSON.

usage: measure.py CORE OUTPUT COMMAND...     CORE is a number, or - for any

A process of its own, because Linux counts the memory of a process towards the peak of the children
that it forks, and that of bench.py is larger than tidemark's.
"""

import json
import os
import sys
import time


def main():
    core, output, *command = sys.argv[1:]
    began, begun = time.time(), time.monotonic()
    pid = os.fork()
    if pid == 0:
        if core != "-":
            os.sched_setaffinity(0, {int(core)})
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    taken = {
        "began": began,
        "exit": os.waitstatus_to_exitcode(status),
        "wall": time.monotonic() - begun,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "rss": usage.ru_maxrss * 1024,
    }
    print(json.dumps(taken))


main()
