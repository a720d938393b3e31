"""A worker for the tests of the orchestrator: each test id is a word that says how the test behaves."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

given = sys.argv[1:]
if given == ["--ahead"]:
    given = json.loads(sys.stdin.readline() or "[]")
    if not given:
        sys.exit(0)
    Path("ahead").write_text(str(os.getpid()))
channel, *tests = given


def write(text):
    with open(channel, "a", encoding="utf-8") as stream:
        stream.write(text)


def tell(event, **values):
    write(json.dumps({"event": event, **values}) + "\n")


def obligation(test, **values):
    return {"contract": "core/fake", "obligation": test, "binding": "impl", "replay": f"again {test}", **values}


if tests[0].startswith("dead"):
    print("no module named kernel", file=sys.stderr)
    sys.exit(4)
tell("run_started", seed=3)
with open("log", "a", encoding="utf-8") as log:
    for test in tests:
        behaviour = test.partition("-")[0]
        log.write(test + "\n")
        log.flush()
        tell("test_started", test=test)
        if behaviour == "early":
            os.kill(os.getpid(), signal.SIGSEGV)
        tell("obligation_started", **obligation(test))
        tell("progress", **obligation(test, cases=5))
        match behaviour:
            case "exit":
                print("leaving", file=sys.stderr)
                os._exit(0)
            case "kill":
                print("Fatal Python error\nsecond line", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                child = subprocess.Popen(["sleep", "987"])
                Path("child").write_text(str(child.pid))
                tell("progress", **obligation(test, cases=6))
                time.sleep(987)
            case "torn":
                write('{"event": "obligation_fin')
                os.kill(os.getpid(), signal.SIGKILL)
            case "garbage":
                write("\x00\x01 not json\n[1]\n{}\n\n")
            case "slow":
                for cases in range(8):
                    time.sleep(0.25)
                    tell("progress", **obligation(test, cases=cases))
            case "interrupt":
                os.kill(os.getppid(), signal.SIGINT)
                time.sleep(987)
        outcome = "failed" if behaviour == "fail" else "passed"
        tell("obligation_finished", **obligation(test, outcome=outcome, cases=9))
        tell("test_finished", test=test, outcome=outcome)
        if behaviour == "last":
            sys.exit(0)  # the rest is forgotten
tell("run_finished")
