#!/usr/bin/env python3
"""Disturbs runs at random moments, resumes them on other rank counts, expects an undisturbed run's bits.

  python3 tools/kill-soak.py PROGRAM OUT [--kills 40] [--defenses meca,abl,...] [-- OPTIONS]
  python3 tools/kill-soak.py PROGRAM OUT --incidents kill,stop,vanish,full [--minutes 30]

For each defence an undisturbed run on one rank gives weights_sha256, suspects.csv, scores.npy and
model.safetensors. Then runs on 1, 2, 3, 5 or 8 ranks are started in one output folder, and each is
killed (a rank or mpirun, by SIGKILL) after a random part of the time that such a run takes, until
one comes to its end; the next one starts in a new folder.

Other incidents: stop (SIGSTOP to a rank: the run must end by itself and name it), vanish (the
checkpoints are taken away: the run must go on) and full (the disk is full for a while: the run must go
on, or be refused if it has just begun; needs root, for a small tmpfs under OUT).

What a kill costs is seen from outside: the time from the newest file among the checkpoints to the
kill. It may be the interval between snapshots and --slack, for a step, a save and a loaded machine.
A kill before a run's first save is not judged: that run has lost no more than it had run.

A line an incident and one at the end; exit status 1 if bits differed, a run failed that should not
have, or a kill cost more than it may.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

OPTIONS = (
    "--train-limit 1200 --test-limit 200 --width 4 --batch 32 --epochs 6 --augment none"
    " --poison-rate 0.1 --trigger-size 8"
).split()
RANKS = [1, 2, 3, 5, 8]
ENVIRONMENT = {
    "MECA_LATE_AFTER": "2",
    "MECA_GIVE_UP_AFTER": "5",
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}
# The longest that the ranks may need to notice one that is stopped, rank 0 too, and to end: five times as
# long as they wait for an answer where it is stopped before MPI has brought them together.
SECONDS_TO_NOTICE = 30 + 5 * float(ENVIRONMENT["MECA_GIVE_UP_AFTER"])
# What is said of it; before its start and after its farewell nobody knows which rank it is.
NAMED = ["has not answered", "MPI has not brought all ranks together", "MPI_Finalize does not return"]
DISK_BYTES = 64 << 20


def arguments():
    own, options = sys.argv[1:], OPTIONS
    if "--" in own:
        at = own.index("--")
        own, options = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=40, help="incidents over all defences (40)")
    parser.add_argument("--minutes", type=float, help="end after these, whatever --kills says")
    parser.add_argument("--incidents", default="kill", help="of kill, stop, vanish, full (kill)")
    parser.add_argument("--defenses", default="meca,abl,active,fine-tuning,clp,none")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and victims (1)")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between snapshots (0.5)")
    parser.add_argument("--slack", type=float, default=1.5, help="seconds beyond these (1.5)")
    given = parser.parse_args(own)
    given.defenses, given.options = given.defenses.split(","), options
    given.incidents = given.incidents.split(",")
    unknown = set(given.incidents) - {"kill", "stop", "vanish", "full"}
    if unknown:
        parser.error(f"--incidents {', '.join(sorted(unknown))}: must be of kill, stop, vanish, full")
    return given


def command(given, ranks, defense, output):
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks), given.program]
    own = ["--defense", defense, "--output", str(output)]
    return launcher + own + ["--checkpoint-every", str(given.every / 60)] + given.options


def bits(output):
    digests = [json.loads((output / "result.json").read_text())["weights_sha256"]]
    for name in ["suspects.csv", "scores.npy", "model.safetensors"]:
        if (output / name).exists():
            digests.append(hashlib.sha256((output / name).read_bytes()).hexdigest())
    return digests


def process_table():
    """Parent and name of every living process."""
    table = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = pathlib.Path(f"/proc/{name}/stat").read_text()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2 :].split()[:2]
        if state != "Z":
            table[int(name)] = (int(parent), text[text.index("(") + 1 : text.rindex(")")])
    return table


def ranks_below(launcher):
    table = process_table()

    def is_below(process):
        while process in table and process != launcher:
            process = table[process][0]
        return process == launcher

    return sorted(p for p, (_, name) in table.items() if name == "meca-dist" and is_below(p))


def newest_save(output):
    times = []
    for file in output.glob("checkpoints/**/*.safetensors"):
        try:
            times.append(file.stat().st_mtime)
        except FileNotFoundError:  # an older generation, gone by now
            pass
    return max(times, default=0.0)


def running_stages(output):
    return sorted(folder.name[: -len(".running")] for folder in output.glob("checkpoints/*.running"))


class Soak:
    """All incidents, what kills cost and what went wrong."""

    def __init__(self, given):
        self.given, self.random = given, random.Random(given.seed)
        self.kills, self.worst, self.failures = 0, 0.0, []
        self.end = time.time() + given.minutes * 60 if given.minutes else float("inf")
        self.place = given.out
        if "full" in given.incidents:
            self.place = given.out / "disk"
            self.place.mkdir(parents=True, exist_ok=True)
            size = f"size={DISK_BYTES}"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "soak", self.place], check=True)

    def close(self):
        if self.place != self.given.out:
            subprocess.run(["umount", "--lazy", self.place], check=True)

    def fail(self, text):
        self.failures.append(text)
        print(text, flush=True)

    def undisturbed(self, defense):
        """The bits of a run on one rank, and the seconds that it takes."""
        output = self.given.out / f"{defense}-reference"
        shutil.rmtree(output, ignore_errors=True)
        begin = time.time()
        done = subprocess.run(
            command(self.given, 1, defense, output), capture_output=True, text=True, env=ENVIRONMENT
        )
        if done.returncode:
            sys.exit(f"{defense}: the undisturbed run failed: {done.stderr[-500:]}")
        return bits(output), time.time() - begin

    def kill_some(self, defense, wanted):
        """Runs of one defence, killed `wanted` times in all."""
        expected, seconds = self.undisturbed(defense)
        last = self.kills + wanted
        number = 0
        while self.kills < last and time.time() < self.end:
            output = self.place / f"{defense}-{number}"
            number += 1
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir(parents=True)
            self.kill_until_it_ends(defense, output, expected, seconds, last)

    def kill_until_it_ends(self, defense, output, expected, seconds, last):
        history = []
        while True:
            history.append(self.random.choice(RANKS))
            survives = self.kills >= last or time.time() >= self.end
            # More ranks than cores take longer; now and then a run comes to its end.
            limit = seconds * 0.6 * (1 + history[-1] / 4)
            wait = float("inf") if survives else 0.4 + self.random.random() * limit
            code = self.run(defense, output, history[-1], wait)
            if code is None:
                continue
            if code != 0:
                self.fail(f"{defense}: a run failed: {self.log(output).read_text()[-400:]}")
                return
            got = bits(output)
            if got == expected:
                print(f"{defense}: on {history} ranks, the same bits {got[0][:8]}", flush=True)
                shutil.rmtree(output)
            else:
                self.fail(f"{defense}: on {history} ranks, {got} in place of {expected}: {output}")
            return

    def log(self, output):
        """Not on the disk that becomes full."""
        return self.given.out / f"{output.name}.log"

    def run(self, defense, output, ranks, wait):
        """The exit status of a run, or None of one that was ended after `wait` seconds."""
        start = time.time()
        with open(self.log(output), "w") as log:
            process = subprocess.Popen(
                command(self.given, ranks, defense, output),
                stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True,
            )  # fmt: skip
        while process.poll() is None and time.time() < start + wait:
            time.sleep(0.01)
        if process.poll() is not None:
            return process.returncode
        incident = self.random.choice(self.given.incidents)
        if incident == "kill":
            self.kill(defense, output, process, ranks, start)
            return None
        self.kills += 1
        stages = ", ".join(running_stages(output)) or "no stage"
        print(f"{defense}: {incident} {self.kills}, {ranks} ranks, within {stages}", flush=True)
        if incident == "stop" and ranks > 1:
            return self.stop(defense, output, process)
        if incident == "vanish":
            # What is written meanwhile may stay behind, as where somebody else tidies up.
            shutil.rmtree(output / "checkpoints", ignore_errors=True)
        if incident == "full":
            self.fill()
        code = process.wait()
        # A run that finds no room at its start is refused, and started again like one that was killed.
        refused = incident == "full" and code == 74 and "\ndata: " not in self.log(output).read_text()
        return None if refused else code

    def stop(self, defense, output, process):
        """Stops a rank for good; the others must say which and end."""
        programs = ranks_below(process.pid)
        if not programs:  # the run is at its end
            return process.wait()
        os.kill(self.random.choice(programs), signal.SIGSTOP)
        try:
            code = process.wait(timeout=SECONDS_TO_NOTICE)
        except subprocess.TimeoutExpired:
            self.fail(f"{defense}: a stopped rank held the run for {SECONDS_TO_NOTICE:g} s")
            code = None
        for program in programs:
            if program in process_table():
                os.kill(program, signal.SIGKILL)
        if code is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        elif code and not any(words in self.log(output).read_text() for words in NAMED):
            self.fail(f"{defense}: nobody was named: {self.log(output).read_text()[-400:]}")
        # A run that had ended before it was stopped has its results.
        return 0 if code == 0 else None

    def fill(self):
        """Leaves no room on the disk for a while."""
        filler = self.place / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"0" * (1 << 16))
            except OSError:
                pass
        time.sleep(self.random.uniform(0.5, 3))
        filler.unlink()

    def kill(self, defense, output, process, ranks, start):
        programs = ranks_below(process.pid)
        victim = self.random.choice([*programs, process.pid])
        saved, now = newest_save(output), time.time()
        os.kill(victim, signal.SIGKILL)
        process.wait(timeout=120)
        while any(program in process_table() for program in programs):
            time.sleep(0.02)
        self.kills += 1
        # What an earlier run saved tells nothing of this one.
        lost = now - saved if saved > start else 0.0
        self.worst = max(self.worst, lost)
        who = "mpirun" if victim == process.pid else "a rank"
        print(
            f"{defense}: kill {self.kills}, {who} of {ranks} after {now - start:.1f} s, within"
            f" {', '.join(running_stages(output)) or 'no stage'},"
            + (f" {lost:.2f} s after a save" if saved > start else " before its first save"),
            flush=True,
        )
        if lost > self.given.every + self.given.slack:
            self.fail(f"{defense}: kill {self.kills} cost {lost:.2f} s")


if __name__ == "__main__":
    given = arguments()
    soak = Soak(given)
    count = len(given.defenses)
    try:
        for number, defense in enumerate(given.defenses):
            soak.kill_some(defense, (given.kills + count - 1 - number) // count)
    finally:
        soak.close()
    print(
        f"{soak.kills} incidents ({', '.join(given.incidents)}) over {count} defences, kills at most"
        f" {soak.worst:.2f} s after a save; {len(soak.failures)} failures"
    )
    for failure in soak.failures:
        print(failure)
    sys.exit(1 if soak.failures else 0)
