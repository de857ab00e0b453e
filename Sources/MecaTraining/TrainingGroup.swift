import MecaCore

/// Samples that a step treats alike: learnt, unlearnt, each in logical shards of their own.
///
/// The loss of a step is Σ over groups of `weight` · mean of min(CE, `lossCap`) over the group's
/// samples in the step. A shard holds samples of one group only, so batch normalisation never
/// mixes what is learnt with what is unlearnt.
public struct TrainingGroup: Sendable {
  /// Data set indices of the group's samples.
  public var indices: [Int32]
  /// Coefficient of the group's mean loss; negative unlearns.
  public var weight: Float
  /// Cross entropy above which a sample no longer pulls; infinite for learning.
  public var lossCap: Float
  /// Share of a step's shards.
  public var shards: Int

  /// All values.
  public init(indices: [Int32], weight: Float, lossCap: Float, shards: Int) {
    self.indices = indices
    self.weight = weight
    self.lossCap = lossCap
    self.shards = shards
  }

  /// Whether samples may be mixed with others of the group: only what is learnt, without a cap.
  ///
  /// A cap is a property of one sample's fit to one label, and unlearning a mixture would unlearn
  /// images that nobody picked.
  var mayBeMixed: Bool { weight > 0 && lossCap == .infinity }

  /// One group that is learnt with all the shards of a step: ordinary training.
  public static func learn(_ indices: [Int32], shards: Int) -> TrainingGroup {
    TrainingGroup(indices: indices, weight: 1, lossCap: .infinity, shards: shards)
  }
}

/// Which sample stands at which place of which step.
///
/// Every group runs through keyed permutations of its samples, one after the other; an epoch ends
/// when the first group has been seen once. Its last step is filled up from the start of the next
/// permutation, so that every step has the same shape.
///
/// Example: 5 samples, 2 shards of 2: step 0 takes places 0–3, step 1 place 4 and, from the next
/// permutation, places 0–2.
///
/// - Ranks: local, and the same on every rank.
public struct EpochOrder: Sendable {
  /// Steps until the first group has been seen once.
  public let stepCount: Int
  private let groups: [TrainingGroup]
  private let microbatch: Int
  private let laps: [[[Int]]]

  /// The order of one epoch.
  ///
  /// - Parameters:
  ///   - groups: what a step is made of; none may be empty.
  ///   - microbatch: samples of one shard.
  ///   - key: seed and purpose, and the epoch's running number within the phase.
  public init(
    groups: [TrainingGroup], microbatch: Int, seed: UInt64, purpose: RandomPurpose, epoch: Int
  ) {
    precondition(groups.allSatisfy { !$0.indices.isEmpty && $0.shards > 0 }, "an empty group")
    self.groups = groups
    self.microbatch = microbatch
    let first = groups[0]
    let stepCount =
      (first.indices.count + first.shards * microbatch - 1)
      / (first.shards * microbatch)
    self.stepCount = stepCount
    laps = groups.enumerated().map { number, group in
      let places = stepCount * group.shards * microbatch
      let lapCount = (places + group.indices.count - 1) / group.indices.count
      return (0..<lapCount).map { lap in
        var random = KeyedRandom(
          seed: seed, purpose: purpose, epoch, number << 20 | lap)
        return random.permutation(count: group.indices.count)
      }
    }
  }

  /// The group that shard number `shard` of every step belongs to, and its number within it.
  public func place(ofShard shard: Int) -> (group: Int, shardInGroup: Int) {
    var rest = shard
    for (number, group) in groups.enumerated() {
      if rest < group.shards { return (number, rest) }
      rest -= group.shards
    }
    preconditionFailure("shard \(shard) is beyond the groups' shards")
  }

  /// The data set index of sample `slot` of `shard` in `step`.
  public func index(step: Int, shard: Int, slot: Int) -> Int32 {
    let (number, shardInGroup) = place(ofShard: shard)
    let group = groups[number]
    let place = (step * group.shards + shardInGroup) * microbatch + slot
    let lap = place / group.indices.count
    return group.indices[laps[number][lap][place % group.indices.count]]
  }
}
