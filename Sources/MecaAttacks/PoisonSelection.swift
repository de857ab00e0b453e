import MecaCore
import MecaImages

/// The samples that an attack takes.
struct PoisonSelection: Sendable {
  /// Indices of the poisons, ascending.
  var poisons: [Int] = []
  /// Indices of the covers, ascending.
  var covers: [Int] = []
  /// How many poisons were asked for.
  var wantedPoisons = 0
  /// How many covers were asked for.
  var wantedCovers = 0

  /// Chooses round(base·rate) poisons and covers, or as many as there are.
  ///
  /// One permutation of all samples, from which those outside the pool are left out: poisons come
  /// from its front and covers, which are never poisons, from its back. So the selection at a lower
  /// rate is part of the selection at a higher one, and neither rate changes the other's samples
  /// as long as there are enough.
  init(of set: any ImageSet, attack: any Attack) {
    guard !(attack is NoAttack) else { return }
    let labels = set.labels
    let base = Double(labels.count { attack.isInRateBase(label: $0) })
    wantedPoisons = Int((attack.goal.poisonRate * base).rounded())
    wantedCovers = Int((attack.coverRate * base).rounded())
    guard wantedPoisons > 0 || wantedCovers > 0 else { return }
    var random = KeyedRandom(seed: attack.goal.seed, purpose: .poisonSelection)
    let order = random.permutation(count: labels.count)
    func first(_ count: Int, of order: some Sequence<Int>, where isEligible: (Int) -> Bool) -> [Int]
    {
      var found: [Int] = []
      for index in order where found.count < count && isEligible(index) { found.append(index) }
      return found.sorted()
    }
    poisons = first(wantedPoisons, of: order) { attack.mayPoison(label: labels[$0]) }
    let taken = Set(poisons)
    covers = first(wantedCovers, of: order.reversed()) {
      attack.mayCover(label: labels[$0]) && !taken.contains($0)
    }
  }
}
