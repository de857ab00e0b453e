#!/usr/bin/env python3
"""Compares `meca-dist bench` with PyTorch (peer.py) on the same cores, in turns, in one run.

    Benchmarks/compare.py --python venv/bin/python --case resnet18,64,fp32,train
    Benchmarks/compare.py --python venv/bin/python --targets --output ratios.json

A case is MODEL,WIDTH,PRECISION,MODE[,BATCH[,PEER_PRECISION]]; BATCH is the batch of one rank (32;
training alone, ours evaluates and scores in batches of its own). --targets runs the rows of the
project's table of targets that name PyTorch. Both sides get --ranks ranks of one thread, one core
each if there are enough.

Each round runs every case once, ours and the peer next to each other and in changing order, so that
both meet the same neighbours and the same heat. The table's ratio is that of the medians over the
rounds; the ratios by round show how far to trust it. `rss_mb` is a rank's peak: ours over training,
evaluation and scoring in one process, the peer's in the one mode that it ran.

Ends with 1 if a case could not be run. Needs nothing but Python's standard library, mpirun and, for
the peer, an interpreter with torch.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass

# Seconds that one run of either side may take.
TIMEOUT = 1800
HERE = pathlib.Path(__file__).resolve().parent


@dataclass(frozen=True)
class Case:
    """One comparison; `batch` is that of one rank."""

    model: str
    width: int
    precision: str
    mode: str
    batch: int = 32
    peer_precision: str = ""

    @classmethod
    def parsed(cls, text):
        model, width, precision, mode, *rest = text.split(",")
        batch = int(rest[0]) if rest else 32
        case = cls(model, int(width), precision, mode, batch, rest[1] if len(rest) > 1 else "")
        if mode not in ("train", "eval", "score") or len(rest) > 2:
            raise ValueError(text)
        return case

    @property
    def against(self):
        return self.peer_precision or self.precision

    @property
    def name(self):
        precision = self.precision
        if self.against != precision:
            precision += f" against {self.against}"
        return f"{self.model} {self.width} {self.mode} x{self.batch} {precision}"


@dataclass(frozen=True)
class Target:
    """What the best ratio of the cases has to reach; of memory, what the worst may not exceed."""

    name: str
    least: float
    aim: float
    cases: tuple
    memory: bool = False


def targets():
    def case(mode, model="resnet18", width=64, **more):
        return Case(model, width, more.pop("precision", "fp32"), mode, **more)

    bf16 = tuple(
        case("train", precision=precision, peer_precision="bf16") for precision in ("fp32", "bf16")
    )
    small = case("train", width=16, batch=128), case("train", width=16)
    return (
        Target("ResNet-18 width 64, training", 1.75, 2.5, (case("train"),)),
        Target("our best precision, bf16 autocast", 1.25, 1.7, bf16),
        Target("ResNet-18 width 64, evaluation", 1.7, 2.5, (case("eval"),)),
        Target("ResNet-18 width 64, scoring", 1.6, 2.5, (case("score"),)),
        Target("ResNet-18 width 16, 2 x 128", 1.7, 2.5, small[:1]),
        Target("ResNet-18 width 16, 2 x 32", 1.7, 2.5, small[1:]),
        Target("ResNet-34 width 64, training", 1.7, 2.5, (case("train", "resnet34"),)),
        Target("MobileNetV2, training", 1.3, 2.0, (case("train", "mobilenetv2", 32),)),
        Target("memory of a rank, training", 0.7, 0.4, (case("train"),), memory=True),
    )


class RunFailed(Exception):
    pass


def json_line(command, environment):
    """The last line that a command prints, as JSON."""
    name = pathlib.Path(command[0]).name
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise RunFailed(f"{name} took longer than {TIMEOUT} s") from None
    except OSError as error:
        raise RunFailed(f"{name}: {error.strerror}") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        why = [line for line in done.stderr.splitlines() if line.startswith("meca-dist:")]
        why = why or done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise RunFailed(f"{name} ended with {done.returncode}: {why[0]}")
    try:
        return json.loads(lines[-1])
    except json.JSONDecodeError:
        raise RunFailed(f"{name} printed no JSON: {lines[-1][:80]}") from None


def distinct_cores():
    """One logical processor of each core that this process may use; as in peer.py."""
    seen = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        siblings = pathlib.Path(path).read_text() if os.path.exists(path) else str(cpu)
        seen.setdefault(siblings, cpu)
    return list(seen.values())


class Runner:
    """Starts both programs; what one run measures for several cases is measured once a round."""

    def __init__(self, options):
        self.options = options
        self.measured = {}
        enough = len(distinct_cores()) >= options.ranks
        binding = ["--bind-to", "core"] if enough else ["--oversubscribe", "--bind-to", "none"]
        self.launcher = ["mpirun", "-n", str(options.ranks), *binding]
        # mpirun refuses root unless told that it is meant.
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        self.environment = {**root, **os.environ}

    def once(self, command):
        """The command's answer in this round; a failure is remembered over the rounds."""
        key = tuple(command)
        if key not in self.measured:
            print("  " + " ".join(command), file=sys.stderr)
            try:
                self.measured[key] = json_line(command, self.environment)
            except RunFailed as failure:
                self.measured[key] = failure
        if isinstance(self.measured[key], RunFailed):
            raise self.measured[key]
        return self.measured[key]

    def next_round(self):
        self.measured = {
            key: value for key, value in self.measured.items() if isinstance(value, RunFailed)
        }

    def ours(self, case):
        options = self.options
        samples = options.samples or (256 if case.width >= 32 else 1024)
        command = [*self.launcher, options.program, "bench", "--json", "--model", case.model]
        command += ["--width", str(case.width), "--batch", str(case.batch * options.ranks)]
        command += ["--shards", str(options.shards or options.ranks), "--threads", "1"]
        command += ["--samples", str(samples), "--repeats", str(options.repeats)]
        if case.precision != "fp32":
            command += ["--precision", case.precision]
        if options.engine:
            command += ["--engine", options.engine]
        return self.once(command)

    def peer(self, case):
        options = self.options
        steps = options.steps or (8 if case.width >= 32 else 30)
        command = [options.python, str(HERE / "peer.py"), "--mode", case.mode]
        command += ["--model", case.model, "--width", str(case.width), "--precision", case.against]
        command += ["--ranks", str(options.ranks), "--batch", str(case.batch)]
        command += ["--steps", str(steps)]
        if options.peer_compile:
            command.append("--compile")
        return self.once(command)


def measure(cases, options):
    """Rounds over all cases: for each what both sides printed, or why one of them did not."""
    runner = Runner(options)
    results = {case: {"ours": [], "peer": [], "failure": None} for case in cases}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        runner.next_round()
        for case, result in results.items():
            sides = {"ours": runner.ours, "peer": runner.peer}
            try:
                order = sorted(sides, reverse=number % 2 == 1)
                answers = {side: sides[side](case) for side in order}
            except RunFailed as failure:
                result["failure"] = str(failure)
                continue
            for side, answer in answers.items():
                result[side].append(answer)
    return results


def summary(case, result):
    """The figures of a case, as they go into the file."""
    row = {"case": asdict(case), "name": case.name, **result}
    if result["ours"]:
        ours = [answer[case.mode] for answer in result["ours"]]
        peer = [answer["images_per_second"] for answer in result["peer"]]
        memory = [
            statistics.median(answer["rss_mb"] for answer in result[side])
            for side in ("ours", "peer")
        ]
        row["images_per_second"] = [statistics.median(ours), statistics.median(peer)]
        row["ratio"] = round(statistics.median(ours) / statistics.median(peer), 3)
        row["ratio_by_round"] = [round(a / b, 3) for a, b in zip(ours, peer, strict=True)]
        row["rss_mb"] = memory
        row["rss_ratio"] = round(memory[0] / memory[1], 3)
    return row


def print_table(rows):
    wide = max(len(row["name"]) for row in rows)
    print(
        f"{'images/s, medians':{wide}} {'ours':>8} {'peer':>8} {'ratio':>6} "
        f"{'MB':>5} {'peer':>5} {'ratio':>6}  ratios by round"
    )
    for row in rows:
        if "ratio" in row:
            ours, peer = row["images_per_second"]
            ours_mb, peer_mb = row["rss_mb"]
            by_round = " ".join(f"{ratio:.2f}" for ratio in row["ratio_by_round"])
            print(
                f"{row['name']:{wide}} {ours:8.1f} {peer:8.1f} {row['ratio']:6.2f} "
                f"{ours_mb:5.0f} {peer_mb:5.0f} {row['rss_ratio']:6.2f}  {by_round}"
            )
        if row["failure"]:
            print(f"{row['name']:{wide}} {row['failure']}")


def print_targets(by_case):
    print(f"\n{'target':36} {'ratio':>6} {'needed':>7} {'aim':>5}")
    for target in targets():
        sign = "<=" if target.memory else ">="
        key = "rss_ratio" if target.memory else "ratio"
        ratios = [by_case[case][key] for case in target.cases if key in by_case[case]]
        wanted = f"{sign} {target.least:4.2f} {target.aim:5.2f}"
        if not ratios:
            print(f"{target.name:36} {'-':>6} {wanted}  not measured")
            continue
        best = max(ratios)
        reached = [
            best <= limit if target.memory else best >= limit
            for limit in (target.aim, target.least)
        ]
        verdict = "aim" if reached[0] else "reached" if reached[1] else "MISSED"
        print(f"{target.name:36} {best:6.2f} {wanted}  {verdict}")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="What is compared: see the head of this file."
    )
    parser.add_argument("--python", required=True, help="an interpreter with torch")
    parser.add_argument(
        "--program", default=str(HERE.parent / ".build/release/meca-dist"), help="meca-dist"
    )
    parser.add_argument(
        "--case", action="append", type=Case.parsed, default=[],
        metavar="MODEL,WIDTH,PRECISION,MODE[,BATCH[,PEER_PRECISION]]", help="repeat for more",
    )
    parser.add_argument("--targets", action="store_true", help="the rows of the table of targets")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--shards", type=int, help="logical shards of ours (the ranks)")
    parser.add_argument("--engine", help="engine of ours (its default)")
    parser.add_argument("--samples", type=int, help="of a pass of ours (256, below width 32 1024)")
    parser.add_argument("--repeats", type=int, default=3, help="passes of ours, the median counts")
    parser.add_argument("--steps", type=int, help="of the peer (8, below width 32 30)")
    parser.add_argument("--peer-compile", action="store_true", help="torch.compile for the peer")
    parser.add_argument("--output", help="file for everything measured, JSON")
    options = parser.parse_args()
    if not options.case and not options.targets:
        parser.error("give --case or --targets")
    if not os.access(options.program, os.X_OK):
        parser.error(f"{options.program} is not there: build it with: swift build -c release")
    return options


def main():
    options = parse()
    cases = list(options.case)
    if options.targets:
        cases += [case for target in targets() for case in target.cases]
    results = measure(dict.fromkeys(cases), options)
    rows = [summary(case, result) for case, result in results.items()]
    print_table(rows)
    if options.targets:
        print_targets(dict(zip(results, rows, strict=True)))
    if options.output:
        settings = {key: value for key, value in vars(options).items() if key != "case"}
        text = json.dumps({"options": settings, "cases": rows}, indent=1)
        pathlib.Path(options.output).write_text(text + "\n")
    return 1 if any(row["failure"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
