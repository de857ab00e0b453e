import ArgumentParser
import Foundation
import MecaCore
import MecaDefenses
import MecaTraining

/// The verdict from which on a run ends with a status of its own.
enum FailOn: String, ExpressibleByArgument, CaseIterable {
  case never, undecided, suspected, poisoned

  /// Whether `grade` is this or worse.
  func includes(_ grade: DetectionAnswer.Grade) -> Bool {
    switch self {
    case .never: false
    case .poisoned: grade == .poisoned
    case .suspected: grade == .poisoned || grade == .suspected
    case .undecided: grade != .clean
    }
  }
}

/// What a run was asked to fail on.
struct FailingVerdict: ReportableError {
  let grade: DetectionAnswer.Grade
  let option: FailOn
  let output: String

  var exitCode: MecaCore.ExitCode { .verdict }
  var description: String {
    "the verdict is \(grade.rawValue), which --fail-on \(option.rawValue) asks to be told by exit status 1; "
      + "the results are in \(output)"
  }
}

/// The end of the job's time, seconds since 1970, where Slurm tells it.
func slurmEnd() -> Double? {
  ProcessInfo.processInfo.environment["SLURM_JOB_END_TIME"].flatMap(Double.init)
}

/// Where a run writes and how it starts.
struct RunOptions: ParsableArguments {
  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?

  @Option(help: "Folder for everything that the run leaves behind.")
  var output: String = "meca-run"

  @Option(help: "Continue from the output folder's checkpoints: auto, never, must.")
  var resume: ResumePolicy = .auto

  @Option(help: "Minutes between two snapshots within a stage (0: as often as possible).")
  var checkpointEvery: Double = 10

  @Option(
    help: ArgumentHelp(
      "Save and end with status 75 before this: a span (3h30m, 4:00:00) or a time (2026-11-29T18:00:00); auto takes Slurm's, none keeps none."
    ))
  var deadline: String = "auto"

  @Option(help: "Minutes before the deadline at which to stop (default: 2, of a short job less).")
  var deadlineMargin: Double?

  @Option(help: "Folder of the checkpoints; runs may share one (default: checkpoints in --output).")
  var checkpoints: String?

  @Option(
    help:
      "Folder for files that --output does not take, its disk being full (default: TMPDIR or /tmp)."
  )
  var spareOutput: String?

  @Flag(inversion: .prefixedNo, help: "Also train on everything undefended, for comparison.")
  var undefended: Bool = true

  @Flag(
    inversion: .prefixedNo,
    help: "Also train on the truly clean samples alone (default: for shapes; needs --attack).")
  var oracle: Bool?

  @Option(
    help:
      "Test images, evenly over the classes, that models are asked about after each epoch (0: none)."
  )
  var epochTest: Int = 500

  @Option(
    help:
      "Write what every rank does when to this file, for ui.perfetto.dev (Chrome's trace events).")
  var trace: String?

  @Flag(help: "Replace the results of another run in the output folder.")
  var force = false

  @Option(
    help: ArgumentHelp(
      "Exit status 1, after everything is written, if the verdict is this or worse: poisoned, suspected, undecided, never."
    ))
  var failOn: FailOn = .never

  @Flag(
    help:
      "Also put triggers of the program's own into copies of the set, and say from which rate on they are seen."
  )
  var selfTest = false

  @Flag(
    help: """
      Also write probabilities.npy: each training sample's class probabilities by a detector that has \
      not learnt it, as cleanlab wants them.
      """)
  var probabilities = false

  @Flag(
    help:
      "Print the resolved configuration as YAML, and what the run would take as messages, and stop."
  )
  var dryRun = false

  @Flag(help: "With --dry-run: train some steps, to say how long the run would take.")
  var measure = false

  @Flag(help: "Also write the curves for TensorBoard, into events in --output.")
  var tensorboard = false

  @Flag(help: "No progress on the terminal, only warnings and the closing table.")
  var quiet = false

  @Flag(help: "A line for every epoch and rank, with what the exchange between ranks costs.")
  var verbose = false

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output: must name a folder") }
    if checkpoints?.isEmpty == true {
      throw ValidationError("--checkpoints: must name a folder")
    }
    if spareOutput?.isEmpty == true {
      throw ValidationError("--spare-output: must name a folder")
    }
    if trace?.isEmpty == true { throw ValidationError("--trace: must name a file") }
  }

  /// Checks what no other value decides.
  ///
  /// - Throws: `SettingError`.
  func check() throws {
    if quiet && verbose {
      throw UsageError.conflict("--quiet and --verbose: take one of them")
    }
    if measure && !dryRun {
      throw UsageError.conflict(
        "--measure is for --dry-run, which says what a run would take; a run says it by itself")
    }
    try requireAtLeast(0, epochTest, "epoch-test")
    if !(checkpointEvery >= 0 && checkpointEvery <= 1e6) {
      throw SettingError(
        setting: "checkpoint-every", value: "\(checkpointEvery)", allowed: "0 or more minutes")
    }
    if let deadlineMargin, !(deadlineMargin >= 0 && deadlineMargin <= 1e6) {
      throw SettingError(
        setting: "deadline-margin", value: "\(deadlineMargin)", allowed: "0 or more minutes")
    }
    _ = try keptDeadline(now: Date().timeIntervalSince1970)
  }

  /// When the run should stop, if ever.
  ///
  /// `auto` takes `SLURM_JOB_END_TIME` (seconds since 1970), which not every version of Slurm sets; a
  /// rank must start no other program, so that `squeue` is the job script's to ask.
  ///
  /// - Parameter now: seconds since 1970.
  /// - Throws: `SettingError` for a text that names no moment, or one that leaves no time.
  func keptDeadline(now: Double) throws -> Deadline? {
    if deadline == "none" { return nil }
    let margin = deadlineMargin.map { $0 * 60 }
    if deadline == "auto" {
      return slurmEnd().map { Deadline(end: $0, margin: margin, now: now) }
    }
    guard let end = Deadline.moment(deadline, now: now) else {
      throw SettingError(
        setting: "deadline", value: deadline,
        allowed: "a span such as 3h30m or 4:00:00, a time such as 2026-11-29T18:00:00, auto or none"
      )
    }
    let kept = Deadline(end: end, margin: margin, now: now)
    guard !kept.isNear(at: now, saving: 0) else {
      throw SettingError(
        setting: "deadline", value: deadline,
        allowed:
          "a moment further away than --deadline-margin (\(fixed(kept.margin / 60, 1)) minutes)")
    }
    return kept
  }
}
