/// A batch scheduler that scripts are printed for.
package enum JobScheduler: String, CaseIterable, Sendable {
  case slurm, pbs, lsf, sge, local

  /// The script of the project's folder `launch` that is printed without options.
  package var example: String { self == .slurm ? "slurm.sbatch" : "\(rawValue).sh" }

  /// What a script for it consists of.
  func parts(_ job: JobScript) -> JobScriptParts {
    switch self {
    case .slurm: slurmParts(job)
    case .pbs: pbsParts(job)
    case .lsf: lsfParts(job)
    case .sge: gridEngineParts(job)
    case .local: localParts(job)
    }
  }
}

/// What all scripts say of what happens before their time is over.
private let goingOn = """
  Before its time is over the run saves and ends with status 75; the job is then queued again and goes
  on from that step. Submitted again unchanged it goes on too, on any number of ranks.
  """

/// Ends the script; `again` is what queues the job again.
private func ending(again: String) -> String {
  """
  if [ "$status" = 75 ]; then \(again); fi
  exit "$status"
  """
}

/// The hosts of a job as a hostfile, since Debian's Open MPI asks neither PBS nor LSF.
private func launchByHostfile(
  list: String, agent: String, threads: Int, index: String
) -> String {
  """
  threads=\(threads)
  index=\(index)
  # Debian's Open MPI does not ask this scheduler for the job's hosts: they come from its list.
  hosts=$(mktemp)
  trap 'rm -f "$hosts"' EXIT
  sort "\(list)" | uniq -c | awk '{ print $2 " slots=" $1 }' > "$hosts"
  ranks=$(wc -l < "\(list)")
  reach=(--hostfile "$hosts")
  if command -v \(agent) >/dev/null; then reach+=(--mca plm_rsh_agent \(agent)); fi
  launch=(mpirun "${reach[@]}" -n "$ranks" --map-by "slot:PE=$threads" --bind-to core)
  once=(mpirun "${reach[@]}" --map-by ppr:1:node)
  """
}

/// The end of the job's time, for a scheduler that does not tell: the script's own beginning and limit.
private func deadline(_ job: JobScript) -> String {
  """
  # The end of the job's time; the seconds are those of the limit above.
  options+=(--deadline "$(date -d "+\(job.limit) seconds" +%Y-%m-%dT%H:%M:%S%:z)")
  """
}

private func slurmParts(_ job: JobScript) -> JobScriptParts {
  JobScriptParts(
    purpose: """
      A run of meca-dist as a Slurm job, printed by: meca-dist script --scheduler slurm

        sbatch --nodes=2 launch/slurm.sbatch --dataset cifar10 --data "$HOME/cifar-10-batches-bin" \\
          --width 64 --shards 32 --batch 512 --output runs/cifar
        sbatch --array=1-3 launch/slurm.sbatch --seed %a --output runs/seed-%a

      \(goingOn)
      Nodes are taken whole, with their memory; on shared nodes say --exclusive=user or --mem instead.
      """,
    directives: [
      "#SBATCH --job-name=\(job.name)", "#SBATCH --nodes=\(job.nodes)",
      "#SBATCH --ntasks-per-node=\(job.ranksPerNode)", "#SBATCH --cpus-per-task=\(job.threads)",
      "#SBATCH --exclusive", "#SBATCH --mem=0", "#SBATCH --hint=nomultithread",
      "#SBATCH --time=\(JobScript.clock(job.limit))", "#SBATCH --signal=B:USR1@\(job.warning)",
      "#SBATCH --requeue", "#SBATCH --open-mode=append", "#SBATCH --output=\(job.name)-%j.log",
    ] + (job.queue.map { ["#SBATCH --partition=\($0)"] } ?? [])
      + (job.account.map { ["#SBATCH --account=\($0)"] } ?? [])
      + (job.array.map { ["#SBATCH --array=\($0)"] } ?? []),
    folder: "${SLURM_SUBMIT_DIR:?submit this script with sbatch}",
    launch: """
      threads=${SLURM_CPUS_PER_TASK:-1}
      index=${SLURM_ARRAY_TASK_ID:-}
      # Not SLURM_NTASKS, which stays as it was where a waiting job is given other nodes.
      ranks=$((SLURM_JOB_NUM_NODES * ${SLURM_NTASKS_PER_NODE:-\(job.ranksPerNode)}))
      launch=(mpirun -n "$ranks" --map-by "slot:PE=$threads" --bind-to core)
      once=(mpirun --map-by ppr:1:node)
      # Where srun is to start the ranks (srun --mpi=list says whether this Slurm has pmix):
      # export SRUN_CPUS_PER_TASK=$threads
      # launch=(srun --mpi=pmix --cpu-bind=cores --ntasks="$ranks")
      # once=(srun --ntasks-per-node=1 --ntasks="$SLURM_JOB_NUM_NODES")
      # The end of the job's time, which not every version of Slurm tells its jobs (22.05 does not).
      if [ -z "${SLURM_JOB_END_TIME:-}" ]; then
        end=$(squeue -h -j "$SLURM_JOB_ID" -o %e)
        case $end in *-*T*:*) options+=(--deadline "$end") ;; esac
      fi
      """,
    end: ending(again: #"scontrol requeue "$SLURM_JOB_ID""#))
}

private func pbsParts(_ job: JobScript) -> JobScriptParts {
  let cores = job.ranksPerNode * job.threads
  return JobScriptParts(
    purpose: """
      A run of meca-dist as a job of PBS Pro or OpenPBS, printed by: meca-dist script --scheduler pbs
      Options of the run cannot stand behind qsub's: write them below, or print a script with them:

        meca-dist script --scheduler pbs -- --dataset cifar10 --data DATA --output runs/cifar > job.sh
        qsub job.sh

      \(goingOn)
      """,
    directives: [
      "#PBS -N \(job.name)",
      "#PBS -l select=\(job.nodes):ncpus=\(cores):mpiprocs=\(job.ranksPerNode):ompthreads=\(job.threads)",
      "#PBS -l place=scatter:excl", "#PBS -l walltime=\(JobScript.clock(job.limit))", "#PBS -r y",
      "#PBS -j oe",
    ] + (job.queue.map { ["#PBS -q \($0)"] } ?? [])
      + (job.account.map { ["#PBS -A \($0)"] } ?? [])
      + (job.array.map { ["#PBS -J \($0)"] } ?? []),
    folder: "${PBS_O_WORKDIR:?submit this script with qsub}",
    launch: launchByHostfile(
      list: "$PBS_NODEFILE", agent: "pbs_tmrsh", threads: job.threads,
      index: "${PBS_ARRAY_INDEX:-}") + "\n" + deadline(job),
    // Users may not always qrerun; the script is then queued anew, which goes on as well.
    end: ending(again: #"qrerun "$PBS_JOBID" || qsub "$0""#))
}

private func lsfParts(_ job: JobScript) -> JobScriptParts {
  JobScriptParts(
    purpose: """
      A run of meca-dist as an LSF job, printed by: meca-dist script --scheduler lsf
      Options of the run cannot stand behind bsub's: write them below, or print a script with them:

        meca-dist script --scheduler lsf -- --dataset cifar10 --data DATA --output runs/cifar > job.sh
        bsub < job.sh

      \(goingOn)
      """,
    directives: [
      "#BSUB -J \(job.name)" + (job.array.map { "[\($0)]" } ?? ""), "#BSUB -n \(job.ranks)",
      "#BSUB -R \"span[ptile=\(job.ranksPerNode)] "
        + "affinity[core(\(job.threads)):cpubind=core:membind=localprefer]\"",
      "#BSUB -x", "#BSUB -W \(job.limit / 3600):\(job.limit / 60 % 60)",
      "#BSUB -wa USR1 -wt \(max(1, job.warning / 60))", "#BSUB -r", "#BSUB -Q \"75\"",
      "#BSUB -o \(job.name)-%J.log",
    ] + (job.queue.map { ["#BSUB -q \($0)"] } ?? [])
      + (job.account.map { ["#BSUB -P \($0)"] } ?? []),
    folder: "${LS_SUBCWD:?submit this script with bsub}",
    launch: launchByHostfile(
      list: "$LSB_DJOB_HOSTFILE", agent: "blaunch", threads: job.threads,
      index: "${LSB_JOBINDEX:-}") + "\n" + deadline(job),
    end: """
      # LSF itself queues a job again that ends with 75 (-Q).
      exit "$status"
      """)
}

private func gridEngineParts(_ job: JobScript) -> JobScriptParts {
  JobScriptParts(
    purpose: """
      A run of meca-dist as a Grid Engine job, printed by: meca-dist script --scheduler sge

        qsub launch/sge.sh --dataset cifar10 --data "$HOME/cifar-10-batches-bin" --output runs/cifar

      \(goingOn)
      The parallel environment (-pe) is called differently everywhere: qconf -spl lists them.
      """,
    directives: [
      "#$ -N \(job.name)", "#$ -S /bin/bash", "#$ -cwd",
      "#$ -pe \(job.queue ?? "mpi") \(job.ranks * job.threads)",
      // No s_rt: a job that has come to it counts as killed by its limit, and 99 does not help it.
      "#$ -l h_rt=\(JobScript.clock(job.limit))",
      "#$ -notify", "#$ -r y", "#$ -j y",
    ] + (job.account.map { ["#$ -A \($0)"] } ?? []) + (job.array.map { ["#$ -t \($0)"] } ?? []),
    folder: "${SGE_O_WORKDIR:?submit this script with qsub}",
    launch: """
      threads=\(job.threads)
      index=${SGE_TASK_ID/undefined/}
      launch=(mpirun -n "$((NSLOTS / threads))" --map-by "slot:PE=$threads" --bind-to core)
      once=(mpirun --map-by ppr:1:node)
      \(deadline(job))
      """,
    // 99 is what Grid Engine queues again.
    end: ending(again: "exit 99"))
}

private func localParts(_ job: JobScript) -> JobScriptParts {
  JobScriptParts(
    purpose: """
      A run of meca-dist on this machine, or on those of a hostfile that ssh reaches without a password;
      printed by: meca-dist script --scheduler local

        launch/local.sh --dataset cifar10 --data ~/cifar-10-batches-bin --output runs/cifar
        MECA_RANKS=32 MECA_HOSTFILE=hostfiles/two-hosts.example launch/local.sh --shards 32 …
        launch/local.sh --deadline 8h        # ends in the morning, saved

      Ctrl-C saves and ends with status 75; the same line goes on from that step, on any number of ranks.
      """,
    directives: [], folder: "${MECA_FOLDER:-.}",
    launch: """
      threads=\(job.threads)
      index=
      reach=()
      if [ -n "${MECA_HOSTFILE:-}" ]; then reach=(--hostfile "$MECA_HOSTFILE"); fi
      # More ranks than cores are allowed; they give way to each other.
      export OMPI_MCA_rmaps_base_oversubscribe=1
      # A process group of its own, so that Ctrl-C reaches this script alone.
      launch=(setsid mpirun "${reach[@]}" -n "${MECA_RANKS:-\(job.ranks)}")
      once=(mpirun "${reach[@]}" --map-by ppr:1:node)
      """,
    end: #"exit "$status""#)
}
