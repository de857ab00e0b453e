import MecaAttacks
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaImages
import MecaReport
import MecaTraining

/// Puts triggers of the program's own into copies of the set and looks whether pixels give them away.
///
/// Says of *these* images how little poison would have been seen: a white square and a blended
/// pattern, from 5 % of the set downwards. What the set itself holds does not matter; the answers
/// to the two questions never meet.
struct SelfTest {
  let session: TrainingSession
  let data: TrainingData
  let bench: SessionWorkbench

  /// Fractions of the set, from the largest.
  private static let rates = [0.05, 0.02, 0.01, 0.005, 0.002]
  /// Part of the poisoned samples that must be among the suspects.
  private static let found = 0.9

  /// What was found of each trigger.
  ///
  /// - Ranks: collective; every rank returns the same.
  func run() throws -> [SelfTestFigures] {
    let sizes = (0..<data.classCount).map { label in
      data.labels.count { Int($0) == label }
    }
    // The label that hides the most.
    let target = sizes.indices.max { (sizes[$0], -$0) < (sizes[$1], -$1) } ?? 0
    return try [BadNets.self, Blend.self].map { (attack: any Attack.Type) in
      var smallest: (rate: Double, samples: Int)?
      for rate in Self.rates {
        guard let samples = try samplesFound(attack, rate: rate, target: target) else { break }
        smallest = (rate, samples)
      }
      let name = AttackConfiguration(attack).name
      session.journal.say(
        "self-test: \(name) "
          + (smallest.map { "found down to \(fixed($0.rate * 100, 1)) %, \($0.samples) samples" }
            ?? "not found at \(fixed(Self.rates[0] * 100, 0)) %"))
      return SelfTestFigures(
        attack: name, smallestRate: smallest?.rate, samples: smallest?.samples)
    }
  }

  /// The number of poisoned samples, if they are found.
  private func samplesFound(
    _ attack: any Attack.Type, rate: Double, target: Int
  ) throws -> Int? {
    let set = try session.communicator.collectively {
      try PoisonedSet(
        base: Untold(base: data.training),
        attack: AttackConfiguration(
          attack, poisonRate: rate, target: .number(target),
          seed: StageKey("self-test").seed(of: session.compute.seed)))
    }
    let labels = (0..<set.count).map { Int32(set.label(at: $0)) }
    let poisoned = Set(
      (0..<set.count).filter { set.role(at: $0) == .poison }.map { Int32($0) })
    guard !poisoned.isEmpty else { return nil }
    let key = StageKey("self-test").appending("\(AttackConfiguration(attack).name) \(rate)")
    let findings = try Forensics(
      bench: bench.looking(at: GivenData(set, labels: labels)), kinds: Finding.Kind.allCases,
      isSilent: true
    ).findings(key: key)
    let suspects = findings.all.filter { $0.isStrong && $0.label == target }
      .reduce(into: Set<Int32>()) { $0.formUnion($1.suspects) }
    let share = Double(suspects.intersection(poisoned).count) / Double(poisoned.count)
    return share >= Self.found ? poisoned.count : nil
  }

  /// A set whose truth is not told, so that an attack may be put on top of one that is there.
  private struct Untold: DerivedSet {
    let base: any ImageSet
    var groundTruth: GroundTruth? { nil }
  }
}
