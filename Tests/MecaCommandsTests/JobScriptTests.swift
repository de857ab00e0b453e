import Foundation
import MecaCommands
import MecaTestSupport
import Testing

/// Scripts for schedulers as they are printed.
@Suite struct JobScriptTests {
  /// A file of the project's folder.
  static func projectFile(_ name: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../..")
    return try String(contentsOf: root.appendingPathComponent(name), encoding: .utf8)
  }

  @Test(arguments: JobScheduler.allCases)
  func theScriptsInLaunchArePrintedOnes(scheduler: JobScheduler) throws {
    #expect(
      try Self.projectFile("launch/" + scheduler.example) == JobScript().text(for: scheduler),
      "meca-dist script --scheduler \(scheduler.rawValue) > launch/\(scheduler.example)")
  }

  @Test func whatIsAskedForIsInTheDirectives() {
    var job = JobScript()
    (job.nodes, job.ranksPerNode, job.threads, job.limit) = (4, 16, 2, 5400)
    (job.name, job.queue, job.account, job.array) = ("tiny", "long", "grant7", "1-3")
    let expected: [JobScheduler: [String]] = [
      .slurm: [
        "--nodes=4", "--ntasks-per-node=16", "--cpus-per-task=2", "--time=01:30:00",
        "--signal=B:USR1@300", "--partition=long", "--account=grant7", "--array=1-3",
        "--job-name=tiny",
      ],
      .pbs: [
        "-l select=4:ncpus=32:mpiprocs=16:ompthreads=2", "-l walltime=01:30:00", "-q long",
        "-A grant7", "-J 1-3", "-N tiny",
      ],
      .lsf: [
        "-n 64", "span[ptile=16]", "core(2)", "-W 1:30", "-wa USR1 -wt 5", "-q long", "-P grant7",
        "-J tiny[1-3]",
      ],
      .sge: ["-pe long 128", "h_rt=01:30:00", "-t 1-3", "-A grant7", "-N tiny"],
      .local: [],
    ]
    for scheduler in JobScheduler.allCases {
      let text = job.text(for: scheduler)
      let directives = text.split(separator: "\n").filter {
        $0.hasPrefix("#SBATCH") || $0.hasPrefix("#PBS") || $0.hasPrefix("#BSUB")
          || $0.hasPrefix("#$")
      }.joined(separator: "\n")
      for part in expected[scheduler] ?? [] { #expect(directives.contains(part), "\(directives)") }
    }
  }

  /// What has a meaning for a shell arrives as it was given.
  @Test func optionsAreQuoted() throws {
    var job = JobScript()
    job.options = ["--data", "it's here; rm -rf \"$HOME\"", "--seed", "%a", "", "*"]
    let text = job.text(for: .local)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("options=(") })
    let outcome = try runProgram(
      ["bash", "-c", "\(line); printf '<%s>' \"${options[@]}\""], timeout: 10)
    #expect(outcome.output == job.options.map { "<\($0)>" }.joined())
  }
}

extension ProgramTests {
  /// The command, and its scripts under stand-ins that signal as the schedulers do.
  @Suite struct JobScriptRunTests {
    static let refusals: [([String], [String])] = [
      (["--scheduler", "cron"], ["'cron'", "--scheduler"]),
      (["--scheduler", "pbs", "--time", "soon"], ["--time soon", "4:00:00 or 90m"]),
      (["--scheduler", "pbs", "--nodes", "0"], ["--nodes 0", "1 or more"]),
      (["--scheduler", "pbs", "--name", "a\nb"], ["--name a b", "letters, digits"]),
      (["--scheduler", "slurm", "--nodes", "2"], ["--shards is 8"]),
      (
        ["--scheduler", "slurm", "--", "--epoch", "3"],
        ["--epoch: no such option", "did you mean --epochs?"]
      ),
    ]

    @Test(arguments: refusals)
    func whatNoJobCanBeIsRefused(options: [String], parts: [String]) throws {
      expectOneLine(try meca(["script"] + options), status: 64, parts)
    }

    /// A scheduler as far as a script sees it.
    struct StandIn: Sendable, CustomTestStringConvertible {
      var scheduler: JobScheduler
      var variables: [String: String]
      /// What tells the script that its time is over.
      var signal: Int32
      /// The script's status where the run has saved.
      var status: Int32
      /// What the script asks of the scheduler then.
      var asks: String
      var testDescription: String { scheduler.rawValue }
    }

    static let standIns = [
      StandIn(
        scheduler: .pbs, variables: ["PBS_O_WORKDIR": "FOLDER", "PBS_JOBID": "7.here"],
        signal: SIGTERM, status: 75, asks: "qrerun 7.here\nqsub FOLDER/job.sh\n"),
      StandIn(
        scheduler: .lsf, variables: ["LS_SUBCWD": "FOLDER", "LSB_JOBINDEX": "0"], signal: SIGUSR1,
        status: 75, asks: ""),
      StandIn(
        scheduler: .sge,
        variables: ["SGE_O_WORKDIR": "FOLDER", "NSLOTS": "2", "SGE_TASK_ID": "undefined"],
        signal: SIGUSR2, status: 99, asks: ""),
      StandIn(
        scheduler: .local, variables: ["MECA_FOLDER": "FOLDER", "MECA_RANKS": "2"], signal: SIGINT,
        status: 75, asks: ""),
    ]

    /// Warned, saved, asked to be queued again; submitted again it ends with the undisturbed weights.
    @Test(arguments: standIns)
    func aWarnedJobIsQueuedAgainAndGoesOn(standIn: StandIn) throws {
      let folder = try TestFolder()
      let printed = try meca(
        ["script", "--scheduler", standIn.scheduler.rawValue, "--ranks-per-node", "2", "--"]
          + StoppingTests.training + ["--output", "runs/a-%a"])
      #expect(printed.status == 0, "\(printed.errors)")
      try folder.write("job.sh", Data(printed.output.utf8))
      for command in ["qrerun", "qsub", "pbs_tmrsh", "blaunch"] {
        // Not what starts ranks: there is one machine.
        let status = command == "qrerun" ? 1 : 0
        let text = "#!/bin/sh\necho \"\(command) $*\" >> \(folder.path)/asked\nexit \(status)\n"
        try folder.write("bin/" + command, Data(text.utf8))
        chmod(folder.path + "/bin/" + command, 0o755)
      }
      try folder.write("hosts", Data("localhost\nlocalhost\n".utf8))
      var environment = rootMayRunMPI
      environment["PATH"] = folder.path + "/bin:/usr/local/bin:/usr/bin:/bin"
      environment["MECA_PROGRAM"] = try program()
      environment["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
      for name in ["PBS_NODEFILE", "LSB_DJOB_HOSTFILE"] {
        environment[name] = folder.path + "/hosts"
      }
      for (name, value) in standIn.variables {
        environment[name] = value.replacingOccurrences(of: "FOLDER", with: folder.path)
      }

      let index = standIn.scheduler == .lsf ? "0" : ""
      let output = TestFolder(path: folder.path + "/runs/a-" + index)
      let job = ["bash", folder.path + "/job.sh"]
      let run = try RunningProgram(job, environment: environment)
      waitForEpoch(in: output, after: 0)
      kill(run.process, standIn.signal)
      let outcome = run.outcome(timeout: 60)
      expectOneLine(outcome, status: standIn.status, ["stopped by SIGUSR1 in undefended, epoch "])
      #expect(output.has("requeue"))
      let asked = (try? folder.bytes("asked")).map { String(decoding: $0, as: UTF8.self) } ?? ""
      #expect(asked == standIn.asks.replacingOccurrences(of: "FOLDER", with: folder.path))

      let again = try runProgram(job, environment: environment, timeout: 120)
      #expect(again.status == 0, "\(again.errors)")
      #expect(again.errors.contains("undefended: goes on in epoch"), "\(again.errors)")
      #expect(try result(output)["weights_sha256"] as? String == StoppingTests.undisturbed.get())
    }
  }
}
