import ArgumentParser
import MecaCore
import MecaTraining

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

  @Option(help: "Folder of the checkpoints; runs may share one (default: checkpoints in --output).")
  var checkpoints: String?

  @Flag(inversion: .prefixedNo, help: "Also train on everything undefended, for comparison.")
  var undefended: Bool = true

  @Flag(
    inversion: .prefixedNo,
    help: "Also train on the truly clean samples alone (default: for shapes; needs --attack).")
  var oracle: Bool?

  @Flag(help: "Replace the results of another run in the output folder.")
  var force = false

  @Flag(help: "Print the resolved configuration as YAML and stop.")
  var dryRun = false

  @Flag(help: "No progress on the terminal, only warnings and the closing table.")
  var quiet = false

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output: must name a folder") }
    if checkpoints?.isEmpty == true {
      throw ValidationError("--checkpoints: must name a folder")
    }
  }

  /// Checks what no other value decides.
  ///
  /// - Throws: `SettingError`.
  func check() throws {
    guard !(checkpointEvery >= 0 && checkpointEvery <= 1e6) else { return }
    throw SettingError(
      setting: "checkpoint-every", value: "\(checkpointEvery)", allowed: "0 or more minutes")
  }
}
