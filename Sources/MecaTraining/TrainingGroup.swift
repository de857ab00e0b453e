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
  /// Its part of a step's shards, in proportion to the other groups' parts.
  public var parts: Int

  /// All values.
  public init(
    indices: [Int32], weight: Float = 1, lossCap: Float = .infinity, parts: Int = 1
  ) {
    precondition(parts > 0, "a group with \(parts) parts of a step")
    self.indices = indices
    self.weight = weight
    self.lossCap = lossCap
    self.parts = parts
  }

  /// Whether samples may be mixed with others of the group: only what is learnt, without a cap.
  ///
  /// A cap is a property of one sample's fit to one label, and unlearning a mixture would unlearn
  /// images that nobody picked.
  var mayBeMixed: Bool { weight > 0 && lossCap == .infinity }
}

/// What a training is about: which samples, with which labels, learnt or unlearnt.
public struct Lesson: Sendable {
  /// What a step is made of.
  public var groups: [TrainingGroup]
  /// Label of every sample of the data set.
  public var labels: [Int32]
  /// Mean loss of the first group below which a step goes up its gradient instead of down; nil: never
  /// ("γ" of ABL's local gradient ascent: the gradient of sign(ℓ − γ)·ℓ, which is also that of
  /// loss flooding's |ℓ − γ| + γ, ℓ the step's mean loss).
  public var ascendBelow: Float?

  /// All values.
  public init(groups: [TrainingGroup], labels: [Int32], ascendBelow: Float? = nil) {
    self.groups = groups
    self.labels = labels
    self.ascendBelow = ascendBelow
  }

  /// Ordinary training: one group that is learnt.
  public static func learning(_ indices: [Int32], labels: [Int32]) -> Lesson {
    Lesson(groups: [TrainingGroup(indices: indices)], labels: labels)
  }
}

/// Deals `total` shards to parties in proportion to their `parts`: every party at least one, what is
/// left over to the first ones.
///
/// Example: 8 shards in parts of 1 and 1 are 4 and 4, in parts of 3 and 1 are 6 and 2.
package func dealt(_ total: Int, parts: [Int]) -> [Int] {
  precondition(total >= parts.count, "\(total) shards for \(parts.count) groups")
  let sum = parts.reduce(0, +)
  var shares = parts.map { max(1, total * $0 / sum) }
  var place = 0
  while shares.reduce(0, +) != total {
    let isTooMuch = shares.reduce(0, +) > total
    if isTooMuch {
      let largest = shares.indices.max { (shares[$0], -$0) < (shares[$1], -$1) } ?? 0
      shares[largest] -= 1
    } else {
      shares[place % shares.count] += 1
      place += 1
    }
  }
  return shares
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
  /// Shards of a step that each group has.
  private let shards: [Int]
  private let microbatch: Int
  private let laps: [[[Int]]]

  /// The order of one epoch.
  ///
  /// - Parameters:
  ///   - groups: what a step is made of; none may be empty.
  ///   - shards: logical shards of a step.
  ///   - microbatch: samples of one shard.
  ///   - key: the training's key; every group draws from a member of it.
  ///   - seed: the run's seed.
  ///   - epoch: number within the training.
  public init(
    groups: [TrainingGroup], shards: Int, microbatch: Int, key: StageKey, seed: UInt64, epoch: Int
  ) {
    precondition(groups.allSatisfy { !$0.indices.isEmpty }, "an empty group")
    self.groups = groups
    self.microbatch = microbatch
    let shares = dealt(shards, parts: groups.map(\.parts))
    self.shards = shares
    let stepCount = Self.stepCount(groups: groups, shards: shards, microbatch: microbatch)
    self.stepCount = stepCount
    laps = groups.enumerated().map { number, group in
      let places = stepCount * shares[number] * microbatch
      let lapCount = (places + group.indices.count - 1) / group.indices.count
      let own = key.member("group", number).seed(of: seed)
      return (0..<lapCount).map { lap in
        var random = KeyedRandom(seed: own, purpose: .trainingOrder, epoch, lap)
        return random.permutation(count: group.indices.count)
      }
    }
  }

  /// Steps of an epoch.
  public static func stepCount(groups: [TrainingGroup], shards: Int, microbatch: Int) -> Int {
    let own = dealt(shards, parts: groups.map(\.parts))[0] * microbatch
    return (groups[0].indices.count + own - 1) / own
  }

  /// Shards of a step that group `number` has.
  public func shardCount(ofGroup number: Int) -> Int { shards[number] }

  /// The group that shard number `shard` of every step belongs to, and its number within it.
  public func place(ofShard shard: Int) -> (group: Int, shardInGroup: Int) {
    var rest = shard
    for (number, count) in shards.enumerated() {
      if rest < count { return (number, rest) }
      rest -= count
    }
    preconditionFailure("shard \(shard) is beyond the groups' shards")
  }

  /// The data set index of sample `slot` of `shard` in `step`.
  public func index(step: Int, shard: Int, slot: Int) -> Int32 {
    let (number, shardInGroup) = place(ofShard: shard)
    let group = groups[number]
    let place = (step * shards[number] + shardInGroup) * microbatch + slot
    let lap = place / group.indices.count
    return group.indices[laps[number][lap][place % group.indices.count]]
  }
}
