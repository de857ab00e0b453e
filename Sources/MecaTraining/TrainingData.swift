import MecaAttacks
import MecaCore
import MecaData
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
  /// What opening the data has found that a person should know.
  public let opening: OpeningReport

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
  /// - Parameter threads: threads of this rank that may decode image files.
  /// - Throws: `RemoteFailure` on all ranks, with `UnequalData` if they have not read the same.
  public init(
    _ configuration: DataConfiguration, attack: AttackConfiguration, communicator: Communicator,
    threads: Int = 1
  ) throws {
    let sets = try openSets(configuration, communicator: communicator, threads: threads)
    opening = sets.report
    let (training, test) = (sets.training, sets.test)
    try communicator.collectively {
      try attack.validate(
        classCount: training.classNames.count, imageShape: training.imageShape)
    }
    var content = SHA256Digest()
    for set in [training, test] { content.update(set) }
    if let truth = training.groundTruth { content.update(truth) }
    if let stored = sets.triggered {
      content.update(stored)
      content.update([stored.target])
    }
    digest = content.hexadecimal()
    if let other = try communicator.firstDifference(in: digest) {
      try communicator.collectively {
        throw UnequalData(rank: other.rank, path: configuration.path ?? training.name)
      }
    }
    if let trigger = attack.trigger,
      let other = try communicator.firstDifference(in: trigger.sha256)
    {
      try communicator.collectively {
        throw UnequalData(rank: other.rank, path: trigger.path, content: "pixels")
      }
    }
    // The attack that the set was stored with is no second one.
    let isNone = attack.kind == .none || sets.attack?.isSame(as: attack) == true
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
  }
}

extension SHA256Digest {
  /// Appends a set's size, labels and images, or the digest of them that is known already.
  fileprivate mutating func update(_ set: any ImageSet) {
    if let known = set.contentDigest { return update(Array(known.utf8)) }
    let shape = set.imageShape
    update([set.count, set.classNames.count, shape.channels, shape.height, shape.width])
    var image = [UInt8](repeating: 0, count: shape.byteCount)
    for index in 0..<set.count {
      update([Int32(set.label(at: index))])
      image.withUnsafeMutableBufferPointer { buffer in
        if let start = buffer.baseAddress { set.copyImage(at: index, to: start) }
      }
      update(image)
    }
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
