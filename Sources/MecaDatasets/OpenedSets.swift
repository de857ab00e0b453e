import Foundation
import MecaAttacks
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI

/// The image sets of a run, before any attack.
struct OpenedSets {
  /// Samples to learn from.
  var training: any ImageSet
  /// Clean samples to judge by.
  var test: any ImageSet
  /// Test samples with the trigger that were stored with the set.
  var triggered: StoredTriggeredSet?
  /// The attack that the set was stored with, where that is recorded.
  var attack: AttackConfiguration?
  /// What was held out of the training images to judge by.
  var heldOut: HeldOutRecord?
  /// What a person should know about them.
  var report = OpeningReport()
  /// Their files, as they were before they were read; on rank 0.
  var watch = DataWatch()
}

extension OpenedSets {
  /// Gives classes the numbers that a model has for them.
  ///
  /// - Throws: `OtherClasses` if they are others.
  mutating func match(to names: [String], model: String, path: String?) throws {
    let path = path ?? training.name
    guard
      let matching = try ClassMatching(training.classNames, to: names, path: path, model: model)
    else { return }
    training = RelabelledSet(base: training, matching: matching)
    test = RelabelledSet(base: test, matching: matching)
    if let stored = triggered {
      triggered = StoredTriggeredSet(
        base: RelabelledSet(base: stored, matching: matching),
        target: matching.numbers[stored.target], testIndices: stored.testIndices,
        attack: stored.attack?.renumbered(matching.numbers))
    }
    attack = attack?.renumbered(matching.numbers)
    report.notes.append(
      "the classes of \(path) are in another order than those of \(model); they are matched by name"
    )
  }
}

/// What opening the data has found that a person should know.
public struct OpeningReport: Sendable {
  /// Lines for the log: what was passed over, what was taken for what.
  public var notes: [String] = []
  /// Warnings for the log.
  public var warnings: [String] = []
  /// Image files that were left out, with the reason, one line each.
  public var leftOut: [String] = []
}

/// Opens the image sets that `configuration` names.
///
/// The format finds them, each rank by itself; here ranks do together what they share.
///
/// - Ranks: collective; a failure on any rank is thrown on all.
/// - Parameter threads: threads of this rank that may decode image files.
func openSets(
  _ configuration: DataConfiguration, communicator: Communicator, threads: Int
) throws -> OpenedSets {
  if configuration.facts.mayBeWritten, let path = configuration.path {
    // Each way of opening has exchanges of its own, so all ranks must go the same.
    let own = SetRecord.identity(of: path)
    if let other = try communicator.firstDifference(in: own) {
      try communicator.collectively {
        throw UnequalData(
          rank: other.rank, path: path,
          content: "content of \(SetRecord.fileName)")
      }
    }
    if !own.isEmpty {
      return try openWritten(
        at: path, configuration, communicator: communicator, threads: threads)
    }
  }
  switch try communicator.collectively({ try configuration.open() }) {
  case .sets(let found):
    return try openFound(found, configuration, communicator: communicator)
  case .files(let found):
    return try openFiles(found, configuration, communicator: communicator, threads: threads)
  case .over(let base, let make):
    let opened = try openSets(
      try communicator.collectively { try DataConfiguration(base) }, communicator: communicator,
      threads: threads)
    let found = try communicator.collectively {
      try make(OpenedBase(training: opened.training, test: opened.test))
    }
    var sets = try openFound(
      found, configuration, watch: opened.watch, communicator: communicator)
    sets.report = opened.report + sets.report
    return sets
  }
}

extension DataConfiguration {
  /// The set that another one changes.
  fileprivate init(_ base: BaseSet) throws {
    guard let format = Formats.named(base.format) else {
      preconditionFailure("there is no format \(base.format)")
    }
    try self.init(
      format, path: base.place.path, trainLimit: base.place.trainLimit,
      testLimit: base.place.testLimit, seed: base.place.seed)
    try set(base.settings)
  }
}

extension OpeningReport {
  fileprivate static func + (first: OpeningReport, second: OpeningReport) -> OpeningReport {
    OpeningReport(
      notes: first.notes + second.notes, warnings: first.warnings + second.warnings,
      leftOut: first.leftOut + second.leftOut)
  }
}

/// Looks at what must be looked at, measures and draws, each rank a share.
///
/// - Ranks: collective.
private func openFound(
  _ found: FoundSets, _ configuration: DataConfiguration, watch: DataWatch = DataWatch(),
  communicator: Communicator
) throws -> OpenedSets {
  // What ranks do together depends on what each has found by itself.
  if let other = try communicator.firstDifference(in: found.outline) {
    try communicator.collectively {
      throw UnequalData(rank: other.rank, path: configuration.path ?? configuration.name)
    }
  }
  var watch = watch
  if communicator.rank == 0 {
    watch.add([found.training, found.test] + (found.triggered.map { [$0.set] } ?? []))
  }
  for check in found.checks { try communicator.share(check) }
  var (training, test) = (found.training, found.test)
  var triggered = found.triggered
  if let measured = found.measured {
    let constants = try ChannelSums.meanAndDeviation(of: measured, communicator)
    training = NormalisedSet(base: training, meanAndDeviation: constants)
    test = NormalisedSet(base: test, meanAndDeviation: constants)
    if let stored = triggered?.set {
      triggered?.set = NormalisedSet(base: stored, meanAndDeviation: constants)
    }
  }
  if found.isDrawn {
    training = try communicator.drawn(training)
    test = try communicator.drawn(test)
  }
  let attack = try communicator.collectively {
    try found.attack.map { try recordedAttack($0, training, path: configuration.path ?? "") }
  }
  return OpenedSets(
    training: training, test: test,
    triggered: triggered.map {
      StoredTriggeredSet(
        base: $0.set, target: $0.target, testIndices: $0.testIndices, attack: attack)
    }, attack: attack, report: OpeningReport(notes: found.notes, warnings: found.warnings),
    watch: watch)
}

extension FoundSets {
  /// What must be the same on all ranks before they look at anything together.
  fileprivate var outline: String {
    let looks = checks.map { "\($0.count)\($0.file == nil ? "" : " of a file")" }
    let counts = [training.count, test.count, triggered?.set.count ?? -1, measured?.count ?? -1]
    return "\(looks) \(counts) \(training.classNames.count) \(isDrawn)"
  }
}

extension Communicator {
  /// Lets ranks look at the pieces of a check, each at its share.
  ///
  /// - Ranks: collective.
  fileprivate func share(_ check: SharedCheck) throws {
    var (place, count) = (rank, size)
    if let file = check.file {
      let files = try allGatherText("\(host):\(realPath(file))")
      place = files[..<rank].count { $0 == files[rank] }
      count = files.count { $0 == files[rank] }
    }
    try collectively { try check.look(evenSplit(0..<check.count, parts: count, part: place)) }
  }

  /// A set whose images are made once, each rank a part, and exchanged.
  ///
  /// - Ranks: collective.
  fileprivate func drawn(_ set: any ImageSet) throws -> any ImageSet {
    let parts = (0..<size).map { evenSplit(0..<set.count, parts: size, part: $0) }
    let own = try collectively { try set.images(parts[rank]) }
    let bytes = try allGather(
      local: own, counts: parts.map { $0.count * set.imageShape.byteCount })
    return DrawnSet(base: set, images: MemorySet(of: set, images: bytes))
  }
}

/// A set whose images lie in memory.
private struct DrawnSet: DerivedSet {
  let base: any ImageSet
  let images: MemorySet

  var groundTruth: GroundTruth? { base.groundTruth }
  var contentDigest: String? { base.contentDigest }

  func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    images.copyImage(at: index, into: &image)
  }
}

/// The attack that a set was stored with.
private func recordedAttack(
  _ text: String, _ set: any ImageSet, path: String
) throws -> AttackConfiguration {
  do {
    let attack = try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
      .resolved(among: set.classNames)
    try attack.validate(classCount: set.classNames.count, imageShape: set.imageShape)
    return attack
  } catch {
    throw FileError.malformed(
      path: path,
      reason: "the attack recorded in it is none that this program knows: \(error)")
  }
}

/// A set with other normalisation constants.
struct NormalisedSet: DerivedSet {
  let base: any ImageSet
  let meanAndDeviation: (mean: [Float], standardDeviation: [Float])

  var groundTruth: GroundTruth? { base.groundTruth }
  var contentDigest: String? { base.contentDigest }
}
