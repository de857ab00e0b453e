import ArgumentParser
import MecaCore
import MecaDatasets
import MecaFormats
import MecaTraining

extension ResumePolicy: ExpressibleByArgument {}
extension TrainingRecipe.ScheduleKind: ExpressibleByArgument {}

/// Which images, from where, how many.
struct DataOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Image set: \(Formats.names.joined(separator: ", ")) (default: shapes; score and evaluate: the \
      model's). What they are: meca-dist datasets; the settings of one: meca-dist datasets NAME.
      """))
  var dataset: String?

  @Option(help: "Folder with the set's files, for packed the file (not for shapes and random).")
  var data: String?

  @Option(help: "Training samples at most (default: all; shapes: 6000).")
  var trainLimit: Int?

  @Option(help: "Test samples at most (default: all; shapes: 2000).")
  var testLimit: Int?

  /// Whose settings they are.
  ///
  /// - Throws: `SettingError` for a name that nobody has.
  func owner(like stored: StoredModel? = nil) throws -> SettingOwner {
    .dataset(try chosen(like: stored).facts.name)
  }

  /// The format that is asked for, or a stored model's.
  ///
  /// - Throws: `SettingError` for a name that nobody has.
  func chosen(like stored: StoredModel? = nil) throws -> any DatasetFormat.Type {
    let name = try chosenName(
      dataset ?? stored?.dataset ?? ShapesFormat.facts.name, among: Formats.names,
      setting: "dataset")
    guard let chosen = Formats.named(name) else {
      preconditionFailure("\(name) is among the names")
    }
    return chosen
  }

  /// Checks what no other value decides.
  ///
  /// - Throws: `SettingError`.
  func check() throws {
    for (setting, value) in [("train-limit", trainLimit), ("test-limit", testLimit)] {
      try requireAtLeast(1, value ?? 1, setting)
    }
  }

  /// The data of a run.
  ///
  /// - Parameters:
  ///   - values: the format's own settings that were given.
  ///   - seed: the run's, for what settings leave to it.
  ///   - stored: a model file, whose run's settings count where no option differs.
  /// - Throws: `SettingProblem`, `UsageError` that names the option.
  func resolved(
    _ values: [String: String], seed: UInt64, like stored: StoredModel? = nil
  ) throws -> DataConfiguration {
    try check()
    let format = try chosen(like: stored)
    if case .nowhere = format.facts.place, let data {
      throw UsageError.conflict(
        "--data \(data): \(format.facts.name) is built in and reads no files; say which set this "
          + "folder holds, for example --dataset cifar10")
    }
    var resolved: DataConfiguration
    do {
      resolved = try DataConfiguration(
        format, path: data, trainLimit: trainLimit, testLimit: testLimit, seed: seed,
        storedAs: { stored?.dataSetting($0) })
    } catch let error as SettingError {
      guard let stored else { throw error }
      throw FileError.malformed(
        path: stored.path,
        reason: "metadata \(error.setting) \(error.value): must be \(error.allowed)")
    }
    resolved.place.isWhole = stored != nil
    resolved.place.heldOut = stored?.heldOut
    try resolved.set(values)
    return resolved
  }
}

extension DataConfiguration {
  /// The lines of a YAML file that give the same again.
  var yamlLines: [(String, String?)] {
    [
      ("dataset", name), ("data", path), ("train-limit", place.trainLimit.map(String.init)),
      ("test-limit", place.testLimit.map(String.init)),
    ] + values.map { ($0.name, $0.value.text) }
  }
}
