#!/usr/bin/env python3
"""Kills runs at random moments inside their stages, resumes them on other rank counts, and expects the bits of an undisturbed run.

usage: kill-soak.py PROGRAM FOLDER [--kills 40] [--defenses meca,abl,...] [--seed 1] [--every SECONDS] [--slack SECONDS] [-- OPTIONS OF meca-dist]

For each defence an undisturbed run on one rank gives the expected weights_sha256, suspects.csv and model. Then runs on 1, 2, 3, 5 and 8 ranks
are started in one output folder; each is killed (a rank or the launcher, SIGKILL) after a random part of the time that an undisturbed run takes,
until one comes to its end; then the next one starts in a new folder. What a kill costs is measured from outside: the time between the kill and
the newest file among the checkpoints (or the start of the run, if that was later; such a kill is not judged). It may be the interval, and `--slack` for
a step, a save and the reaction of a loaded machine. Prints one line a kill and a table at the end; exit status 1 if anything differed.
"""
import argparse, glob, hashlib, json, os, random, shutil, signal, subprocess, sys, time

OPTIONS = ("--train-limit 1200 --test-limit 200 --width 4 --batch 32 --epochs 6 --augment none --poison-rate 0.1 --trigger-size 8").split()

parser = argparse.ArgumentParser()
parser.add_argument("program"); parser.add_argument("folder")
parser.add_argument("--kills", type=int, default=40); parser.add_argument("--defenses", default="meca,abl,active,fine-tuning,clp,none")
parser.add_argument("--seed", type=int, default=1); parser.add_argument("--every", type=float, default=0.5); parser.add_argument("--slack", type=float, default=1.5)
own, rest = sys.argv[1:], []
if "--" in own: rest = own[own.index("--") + 1:]; own = own[:own.index("--")]
a = parser.parse_args(own)
options = rest or OPTIONS
rng = random.Random(a.seed)
environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}

def command(ranks, defense, output, more=()):
    return (["mpirun", "--oversubscribe", "-n", str(ranks), a.program, "--defense", defense, "--output", output,
             "--checkpoint-every", str(a.every / 60)] + options + list(more))

def bits(output):
    result = json.load(open(output + "/result.json"))
    files = [hashlib.sha256(open(f, "rb").read()).hexdigest()[:8] for name in ("suspects.csv", "scores.npy", "model.safetensors")
             for f in glob.glob(f"{output}/{name}")]
    return [result["weights_sha256"]] + files

def ranks_below(process):
    parents, programs = {}, []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try: text = open(f"/proc/{name}/stat").read()
        except OSError: continue
        fields = text[text.rindex(")") + 2:].split()
        parents[int(name)] = int(fields[1])
        if "(meca-dist" in text and fields[0] != "Z": programs.append(int(name))
    def leads(p):
        while p and p != process: p = parents.get(p, 0)
        return p == process
    return sorted(filter(leads, programs))

def newest(output):
    files = glob.glob(f"{output}/checkpoints/**/*.safetensors", recursive=True)
    return max([os.path.getmtime(f) for f in files if os.path.exists(f)], default=0)

def lives(process):
    try: return open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError: return False

failures, kills, worst = [], 0, 0.0
defenses = a.defenses.split(",")
share = [a.kills // len(defenses) + (1 if n < a.kills % len(defenses) else 0) for n in range(len(defenses))]
for defense, wanted in zip(defenses, share):
    reference = f"{a.folder}/{defense}-reference"
    shutil.rmtree(reference, ignore_errors=True)
    begin = time.time()
    done = subprocess.run(command(1, defense, reference), capture_output=True, text=True, env=environment)
    length = time.time() - begin
    if done.returncode: sys.exit(f"{defense}: the undisturbed run failed: {done.stderr[-500:]}")
    expected, here, number = bits(reference), 0, 0
    while here < wanted:
        output = f"{a.folder}/{defense}-{number}"; number += 1
        shutil.rmtree(output, ignore_errors=True); os.makedirs(output)
        history = []
        while True:
            ranks = rng.choice([1, 2, 3, 5, 8])
            start = time.time()
            with open(output + "/log", "w") as log:
                process = subprocess.Popen(command(ranks, defense, output), stdout=log, stderr=log, env=environment, start_new_session=True)
            moment = start + 0.4 + rng.random() * length * 0.6 * (1 + ranks / 4) if here < wanted else float("inf")
            while process.poll() is None and time.time() < moment: time.sleep(0.01)
            if process.poll() is None:
                below = ranks_below(process.pid)
                saved, at = newest(output), time.time()
                target = rng.choice(below + [process.pid]) if below else process.pid
                os.kill(target, signal.SIGKILL)
                process.wait(timeout=120)
                while any(map(lives, below)): time.sleep(0.02)
                lost = at - max(saved, start)
                worst = max(worst, lost); here += 1; kills += 1
                history.append(ranks)
                inside = [os.path.basename(f)[:-8] for f in glob.glob(output + "/checkpoints/*.running")]
                print(f"{defense}: kill {kills} on {ranks} ranks after {at - start:.1f} s, last save {lost:.2f} s before, within {inside}", flush=True)
                # A run that had not come to its first save yet lost no more than it had run.
                if saved > start and lost > a.every + a.slack: failures.append(f"{defense}: kill {kills} lost {lost:.2f} s")
            else:
                if process.returncode: failures.append(f"{defense}: a resumed run failed: {open(output + '/log').read()[-400:]}"); break
                got = bits(output)
                print(f"{defense}: resumed over {history} then {ranks} ranks: {'the same bits' if got == expected else 'OTHER BITS'} {got[0][:8]}", flush=True)
                if got != expected: failures.append(f"{defense}: {output}: {got} in place of {expected}")
                shutil.rmtree(output, ignore_errors=True)
                break
        if failures and len(failures) > 5: break
print(f"{kills} kills over {len(defenses)} defences, at most {worst:.2f} s after the last save; {len(failures)} failures")
for line in failures: print(line)
sys.exit(1 if failures else 0)
