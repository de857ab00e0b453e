import MecaAttacks
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI

/// Everything a run knows of its data: the set under attack, the tests, the ground truth.
public struct TrainingData: Sendable {
  /// Training samples as the trainer sees them: given labels, triggers put in.
  public let training: any ImageSet
  /// What this program's attack did to `training`; nil without one.
  public let poisoned: PoisonedSet?
  /// What each training sample really is, where that is known: because this program put the attack
  /// in, or because the set was stored with it.
  public let truth: GroundTruth?
  /// Clean test samples.
  public let test: any ImageSet
  /// Test samples of other classes with the trigger; nil without an attack.
  public let triggered: (any TriggeredSet)?
  /// Given label of every training sample.
  public let labels: [Int32]
  /// Attack that this program put in, if only into the test images; else the one that the set was
  /// stored with.
  public let attack: AttackConfiguration
  /// SHA-256 of all images and labels, before the attack, and of the truth that the set brings.
  public let digest: String
  /// The data's files, as they were before they were read; on rank 0, nothing elsewhere.
  public let watch: DataWatch
  /// What was held out of the training images to judge by; nil where the set has test images.
  public let heldOut: HeldOutRecord?
  /// What opening the data has found that a person should know.
  public private(set) var opening: OpeningReport

  /// Whether the ground truth is known.
  public var truthIsKnown: Bool { truth != nil }

  /// Whether the set brought poisons of its own and this program's attack is in test images alone.
  public var isAttackedAnew: Bool { poisoned?.base.groundTruth != nil }

  /// Whether the training sample at `index` is known to be a poison.
  public func isPoison(_ index: Int) -> Bool { truth?.roles[index] == .poison }

  /// The indices of all training samples.
  public var allIndices: [Int32] { (0..<Int32(training.count)).map { $0 } }

  /// Number of classes.
  public var classCount: Int { training.classNames.count }

  /// Opens the data of a run on all ranks.
  ///
  /// The built-in set is generated in parallel, each rank a part, and exchanged; binary files are
  /// mapped into memory, so that ranks of one host share their pages; image files are decoded
  /// whenever they are needed, and once here, each by one rank.
  ///
  /// - Ranks: collective; a failure on any rank is thrown on all.
  /// - Parameters:
  ///   - classes: names and order of a stored model's classes, and its file; the set's are matched to
  ///     them by name.
  ///   - threads: threads of this rank that may decode image files.
  /// - Throws: `RemoteFailure` on all ranks, with `UnequalData` if they have not read the same.
  public init(
    _ configuration: DataConfiguration, attack: AttackConfiguration,
    classes: (names: [String], model: String)? = nil, communicator: Communicator, threads: Int = 1
  ) throws {
    var sets = try openSets(configuration, communicator: communicator, threads: threads)
    if let classes {
      try communicator.collectively {
        try sets.match(to: classes.names, model: classes.model, path: configuration.path)
      }
    }
    opening = sets.report
    heldOut = sets.heldOut
    watch = sets.watch
    let (training, test) = (sets.training, sets.test)
    let attack = try communicator.collectively {
      let attack = try attack.resolved(among: training.classNames)
      try attack.validate(
        classCount: training.classNames.count, imageShape: training.imageShape)
      return attack
    }
    var looks: [ClassLook] = []
    digest = try communicator.collectively {
      var content = SHA256Digest()
      looks = try content.update(training)
      _ = try content.update(test)
      if let truth = training.groundTruth { content.update(truth) }
      if let stored = sets.triggered {
        _ = try content.update(stored)
        content.update([stored.target])
      }
      return content.hexadecimal()
    }
    if let other = try communicator.firstDifference(in: digest) {
      try communicator.collectively {
        throw UnequalData(rank: other.rank, path: configuration.path ?? training.name)
      }
    }
    for file in attack.files {
      guard let other = try communicator.firstDifference(in: file.sha256) else { continue }
      try communicator.collectively {
        throw UnequalData(rank: other.rank, path: file.path, content: "pixels")
      }
    }
    // The attack that the set was stored with is no second one.
    let isNone = attack.isNone || sets.attack?.isSame(as: attack) == true
    self.attack = isNone ? sets.attack ?? attack : attack
    (poisoned, triggered) = try communicator.collectively {
      () throws -> (PoisonedSet?, (any TriggeredSet)?) in
      if isNone { return (nil, sets.triggered) }
      return (
        try PoisonedSet(base: training, attack: attack),
        try TriggeredTestSet(base: test, attack: attack)
      )
    }
    let set: any ImageSet = poisoned ?? training
    self.training = set
    self.test = test
    truth = set.groundTruth
    labels = (0..<set.count).map { Int32(set.label(at: $0)) }
    opening.addUniform(
      looks.indices.filter { looks[$0].isUniform }.map { training.classNames[$0] })
    opening.warnings += Self.classWarnings(
      training, test: test, isTaught: !configuration.place.isWhole)
  }

  /// Samples that a class needs for statistics over its samples to mean anything.
  public static let fewSamples = 10

  /// Warnings of classes that have no training samples, or hardly any, as the data has it.
  ///
  /// - Parameter isTaught: whether a model is to learn from the training samples.
  private static func classWarnings(
    _ set: any ImageSet, test: any ImageSet, isTaught: Bool
  ) -> [String] {
    let names = set.classNames
    var training = [Int](repeating: 0, count: names.count)
    for label in set.labels { training[label] += 1 }
    var tests = [Int](repeating: 0, count: names.count)
    for label in test.labels { tests[label] += 1 }
    func list(_ classes: [Int]) -> String {
      classes.prefix(8).map { "\($0) (\(printable(names[$0])))" }.joined(separator: ", ")
        + (classes.count > 8 ? " and \(classes.count - 8) others" : "")
    }
    let all = names.indices
    let empty = all.filter { training[$0] == 0 }
    let untaught = isTaught ? empty.filter { tests[$0] > 0 } : []
    let tiny = isTaught ? all.filter { (1..<fewSamples).contains(training[$0]) } : []
    return [
      (untaught, "classes with test samples and no training sample, which no model can learn", ""),
      (
        empty.filter { tests[$0] == 0 },
        "classes without a single sample",
        "; are labels counted from 0 without gaps, and does a limit leave some of every class?"
      ), (tiny, "classes with fewer than \(fewSamples) training samples", ""),
    ].filter { !$0.0.isEmpty }.map { "\($1): \(list($0))\($2)" }
  }
}

extension SHA256Digest {
  /// Appends a set's size, labels and images, or the digest of them that is known already.
  ///
  /// - Returns: what the images of each class look like; nothing where they were not looked at.
  fileprivate mutating func update(_ set: any ImageSet) throws(FileError) -> [ClassLook] {
    if let known = set.contentDigest {
      update(Array(known.utf8))
      return []
    }
    var looks = [ClassLook](repeating: ClassLook(), count: set.classNames.count)
    let shape = set.imageShape
    update([set.count, set.classNames.count, shape.channels, shape.height, shape.width])
    var image = [UInt8](repeating: 0, count: shape.byteCount)
    for index in 0..<set.count {
      update([Int32(set.label(at: index))])
      var span = image.mutableSpan
      try set.copyImage(at: index, into: &span)
      update(image)
      looks[set.label(at: index)].add(image)
    }
    return looks
  }

  /// Appends what each sample is said to be.
  fileprivate mutating func update(_ truth: GroundTruth) {
    update(truth.roles.map(\.rawValue))
    update(truth.originalLabels)
  }
}

/// A rank has read other images or labels than rank 0.
public struct UnequalData: ReportableError {
  /// The first rank that differs.
  public let rank: Int
  /// Where the data was read from.
  public let path: String
  /// What differs.
  public let content: String

  /// Names the first rank that differs, and what it has read from where.
  public init(rank: Int, path: String, content: String = "images or labels") {
    (self.rank, self.path, self.content) = (rank, path, content)
  }

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(path): rank \(rank) finds other \(content) there than rank 0; bring the same files to all "
      + "hosts"
  }
}
