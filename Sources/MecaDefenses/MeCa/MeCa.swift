import MecaCore
import MecaImages
import MecaNN
import MecaTraining

/// MeCa (Mellivora Capensis): a clean model from a poisoned set, without clean data and without
/// knowledge of the attack.
///
/// Pixels are looked at first (`Forensics`), and detectors confirm what they say. Where they say
/// nothing that holds, the paper's way follows.
///
/// Poisoned samples resist small adversarial perturbations: their prediction depends on the trigger.
/// So the least robust samples are surely clean; a model that unlearns those while it learns the
/// rest, again and again, keeps the backdoor and loses the task, and what it then fails to fit is
/// clean. Where this differs from the paper is said in `docs/deviations.md`; the largest step is
/// that detectors are cross-fitted (`CrossFit`). `--variant paper` takes the paper's own words.
///
/// Degenerate cases: nothing poisoned, then no label separates, nothing is flagged and the clean
/// model is the undefended one. Partition rates of 0 leave the warmed-up detectors as they are.
///
/// - Source: arXiv:2405.12719v3, Algorithms 1 and 2.
public struct MeCa: Defense {
  /// What people should know.
  public static let facts = DefenseFacts(
    name: "meca", title: "MeCa",
    sentence:
      "Looks for what pixels share; else unlearns what is surely clean until the backdoor alone is "
      + "left; trains on the rest.",
    source: "arXiv:2405.12719, Algorithms 1 and 2")

  /// Its settings.
  public let settings: MeCaSettings

  /// Makes the defence.
  public init(_ settings: MeCaSettings) { self.settings = settings }

  /// The detectors' network.
  public func networks(besides network: NetworkConfiguration) -> [NetworkConfiguration] {
    [settings.detectorNetwork(network)]
  }

  /// With one fold, the detector has learnt everybody.
  public var offersProbabilities: Bool { settings.folds > 1 }

  /// The perturbed square must fit into an image.
  public func check(_ samples: GivenData) throws {
    try settings.perturbation.validate(imageShape: samples.imageShape)
  }

  /// Looks at pixels.
  public func lookFirst(_ bench: some Workbench) throws {
    try MeCaMethod(settings, bench).sayWhatPixelsShow()
  }

  /// The whole method; its body is the paper's outline.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let method = MeCaMethod(settings, bench)
    let detection = try method.detect()
    try bench.judged(method.verdict(detection))
    let clean = try method.trainClean(keeping: detection)
    let relabelled = try method.relabel(detection, with: clean)
    let relearned = try method.relearn(from: clean, detection, relabelled)
    var outcome = DefenseOutcome(
      models: [
        .init("clean", try bench.model(clean.state, of: bench.network)),
        .init("relearned", try bench.model(relearned.state, of: bench.network)),
      ],
      verdict: method.verdict(detection, relabelled: relabelled.state.labels))
    outcome.defended = "clean"
    return outcome
  }
}

/// A run of the method on a workbench; its steps are extensions, a file each.
struct MeCaMethod<Bench: Workbench> {
  let settings: MeCaSettings
  let bench: Bench
  /// The given samples.
  let data: GivenData
  /// Epochs of the detectors' trainings.
  let lengths: MeCaSettings.Lengths
  var momentum: Float { bench.recipe.momentum }
  /// Settings of the enhancement.
  var enhancement: MeCaSettings.Enhance {
    settings.enhance(epochs: lengths.enhancement, momentum: momentum)
  }
  /// Settings of the confirmation.
  var confirmation: MeCaSettings.Confirm {
    settings.confirm(epochs: lengths.confirmation, momentum: momentum)
  }

  init(_ settings: MeCaSettings, _ bench: Bench) {
    self.settings = settings.withEffort
    self.bench = bench
    lengths = settings.lengths(samples: bench.samples.count, batch: bench.batch)
    data = bench.samples
  }

  /// From pixels and fresh detectors to a verdict: what pixels say, and unlearning where that does not
  /// hold; a second attempt with a longer warm-up where that is asked for and nobody is flagged.
  func detect() throws -> Finished<Detection> {
    let detectors = try CrossFit(settings, bench)
    let findings = try lookAtPixels() ?? noFindings()
    let unlearns = settings.proposers.contains(.unlearning)
    let isAlone = findings.state.all.isEmpty && !unlearns
    if isAlone, !bench.wantsProbabilities { return try nothingFound(findings) }
    let warm = try warmUp(detectors, .first, after: nil, sparing: findings)
    try offerProbabilities(detectors, warm.state)
    if isAlone { return try nothingFound(findings) }
    guard !findings.state.all.isEmpty else {
      return try unlearn(detectors, from: warm, sparing: findings)
    }
    let seen = try confirm(findings, detectors, from: warm)
    if seen.state.isFlagged.contains(true) || !unlearns { return seen }
    let unlearnt = try unlearn(detectors, from: warm, sparing: findings)
    return Finished(
      state: unlearnt.state.keepingInMind(seen.state), digest: unlearnt.digest)
  }

  /// MeCa's own way from warmed-up detectors to a verdict.
  private func unlearn(
    _ detectors: CrossFit, from warm: Finished<CrossFitState>,
    sparing findings: Finished<Findings>
  ) throws -> Finished<Detection> {
    let detection = try decide(enhance(detectors, from: warm, .first), detectors, .first)
    guard !detection.state.isFlagged.contains(true), settings.secondWarmupEpochs > 0 else {
      return detection
    }
    bench.say("nobody flagged: a second attempt, with a longer warm-up")
    let warmer = try warmUp(detectors, .second, after: warm, sparing: findings)
    return try decide(enhance(detectors, from: warmer, .second), detectors, .second)
  }

  /// Trains the detectors until the backdoor is learnt.
  ///
  /// Held-out questions make it harmless that clean samples are memorised meanwhile. A second
  /// attempt goes on where the first stopped.
  private func warmUp(
    _ detectors: CrossFit, _ attempt: DetectionAttempt, after first: Finished<CrossFitState>?,
    sparing findings: Finished<Findings>
  ) throws -> Finished<CrossFitState> {
    let isNamed = findings.state.all.contains { $0.isStrong }
    let firstEpochs = isNamed ? lengths.shortWarmUp : lengths.warmUp
    let recipe = settings.warmUpRecipe(
      epochs: attempt == .first ? firstEpochs : settings.secondWarmupEpochs, momentum: momentum)
    let labels = labels(sparing: findings.state.suspects(count: data.count))
    return try bench.stage(
      attempt.name("warm-up"),
      MeCaSettings.WarmUp(folds: settings.folds, network: detectors.network, recipe: recipe),
      after: (first.map { [$0.digest] } ?? [])
        + (findings.state.all.isEmpty ? [] : [findings.digest])
    ) { key in
      if let first { try detectors.restore(first.state) }
      for (fold, model) in detectors.models.enumerated() {
        try bench.train(
          model,
          .learning(
            showingFewOften(detectors.learnt(fold), labels: labels, classCount: data.classCount),
            labels: labels), recipe, key: key.member("detector", fold))
      }
      return detectors.state
    }
  }

  /// Each sample's class probabilities by the warmed-up detector that has not learnt it, where somebody
  /// wants them: what is unlearnt later knows classes no more.
  private func offerProbabilities(_ detectors: CrossFit, _ warm: CrossFitState) throws {
    guard bench.wantsProbabilities, detectors.models.count > 1 else { return }
    try detectors.restore(warm)
    for (fold, model) in detectors.models.enumerated() {
      try bench.offerProbabilities(model, detectors.heldOut(fold))
    }
  }

  /// The verdict in the words of all defences.
  ///
  /// - Parameter relabelled: the new labels, once they are known.
  func verdict(_ detection: Finished<Detection>, relabelled: [Int32]? = nil) -> Verdict {
    let detection = detection.state
    let evidence = detection.evidence
    var verdict = Verdict(
      flagged: detection.isFlagged, score: detection.score,
      certainty: detection.spareShare, labels: data.labels, relabelled: relabelled,
      columns: [
        .init("kl", evidence.divergence), .init("log10_loss", evidence.logLoss),
        .init("prediction", evidence.prediction.map { Float($0) }),
        .init("spare_share", detection.spareShare),
      ])
    verdict.unconfirmed = detection.isUnconfirmed
    verdict.answer = answer(detection)
    return verdict
  }
}

/// One way from warmed-up detectors to a verdict.
enum DetectionAttempt: Sendable {
  /// After the warm-up.
  case first
  /// After a longer warm-up, where the first flagged nobody.
  case second

  /// A stage's name, distinct from that of the other attempt.
  func name(_ stage: String) -> String { self == .first ? stage : stage + " again" }
}
