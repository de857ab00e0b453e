#!/usr/bin/env python3
"""Kills runs at random moments, resumes them on other rank counts, expects an undisturbed run's bits.

  python3 tools/kill-soak.py PROGRAM OUT [--kills 40] [--defenses meca,abl,...] [-- OPTIONS]

For each defence an undisturbed run on one rank gives weights_sha256, suspects.csv, scores.npy and
model.safetensors. Then runs on 1, 2, 3, 5 or 8 ranks are started in one output folder, and each is
killed (a rank or mpirun, by SIGKILL) after a random part of the time that such a run takes, until
one comes to its end; the next one starts in a new folder.

What a kill costs is seen from outside: the time from the newest file among the checkpoints to the
kill. It may be the interval between snapshots and --slack, for a step, a save and a loaded machine.
A kill before a run's first save is not judged: that run has lost no more than it had run.

A line a kill and one at the end; exit status 1 if bits differed, a resumed run failed or a kill
cost more than it may.
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
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}


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
    parser.add_argument("--kills", type=int, default=40, help="over all defences (40)")
    parser.add_argument("--defenses", default="meca,abl,active,fine-tuning,clp,none")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and victims (1)")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between snapshots (0.5)")
    parser.add_argument("--slack", type=float, default=1.5, help="seconds beyond these (1.5)")
    given = parser.parse_args(own)
    given.defenses, given.options = given.defenses.split(","), options
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
    """All kills, what they cost and what went wrong."""

    def __init__(self, given):
        self.given, self.random = given, random.Random(given.seed)
        self.kills, self.worst, self.failures = 0, 0.0, []

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
        while self.kills < last:
            output = self.given.out / f"{defense}-{number}"
            number += 1
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir(parents=True)
            self.kill_until_it_ends(defense, output, expected, seconds, last)

    def kill_until_it_ends(self, defense, output, expected, seconds, last):
        history = []
        while True:
            history.append(self.random.choice(RANKS))
            survives = self.kills >= last
            # More ranks than cores take longer; now and then a run comes to its end.
            limit = seconds * 0.6 * (1 + history[-1] / 4)
            wait = float("inf") if survives else 0.4 + self.random.random() * limit
            code = self.run(defense, output, history[-1], wait)
            if code is None:
                continue
            if code != 0:
                self.fail(f"{defense}: a resumed run failed: {(output / 'log').read_text()[-400:]}")
                return
            got = bits(output)
            if got == expected:
                print(f"{defense}: on {history} ranks, the same bits {got[0][:8]}", flush=True)
                shutil.rmtree(output)
            else:
                self.fail(f"{defense}: on {history} ranks, {got} in place of {expected}: {output}")
            return

    def run(self, defense, output, ranks, wait):
        """The exit status of a run, or None of one that was killed after `wait` seconds."""
        start = time.time()
        with open(output / "log", "w") as log:
            process = subprocess.Popen(
                command(self.given, ranks, defense, output),
                stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True,
            )  # fmt: skip
        while process.poll() is None and time.time() < start + wait:
            time.sleep(0.01)
        if process.poll() is not None:
            return process.returncode
        self.kill(defense, output, process, ranks, start)
        return None

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
    for number, defense in enumerate(given.defenses):
        soak.kill_some(defense, (given.kills + count - 1 - number) // count)
    print(
        f"{soak.kills} kills over {count} defences, at most {soak.worst:.2f} s after a save;"
        f" {len(soak.failures)} failures"
    )
    for failure in soak.failures:
        print(failure)
    sys.exit(1 if soak.failures else 0)
