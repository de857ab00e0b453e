import MecaCore
import MecaData
import MecaNN
import MecaTraining

/// MeCa (Mellivora Capensis): a clean model from a poisoned set, without clean data and without
/// knowledge of the attack.
///
/// Poisoned samples resist small adversarial perturbations: their prediction hangs on the trigger.
/// So the least robust samples are surely clean; a model that unlearns those while it learns the
/// rest, again and again, keeps the backdoor and loses the task, and what it then fails to fit is
/// clean. Where this differs from the paper is said in `docs/deviations.md`; the largest step is
/// that detectors are cross-fitted (`CrossFit`).
///
/// Degenerate cases: nothing poisoned, then no label separates, nothing is flagged and the clean
/// model is trained on everything. Partition rates of 0 leave the warmed-up detectors as they are.
///
/// - Source: arXiv:2405.12719v3, Algorithms 1 and 2.
public struct Meca {
  /// Name of the phase in which the backdoor is learnt.
  static let warmUpPhase = "warm-up"

  /// Hyper-parameters.
  public let configuration: MecaConfiguration
  let session: TrainingSession
  let data: TrainingData
  let network: NetworkConfiguration
  let checkpoints: CheckpointStore?
  let undefended: Model?

  /// Binds the defence to a run.
  ///
  /// - Parameter undefended: `trainUndefended`'s model by the recipe of the clean one, if there is
  ///   one: where nothing is flagged, the clean model is the same bit by bit and need not be trained.
  public init(
    _ configuration: MecaConfiguration, session: TrainingSession, data: TrainingData,
    network: NetworkConfiguration, checkpoints: CheckpointStore?, undefended: Model? = nil
  ) {
    self.configuration = configuration
    self.session = session
    self.data = data
    self.network = network
    self.checkpoints = checkpoints
    self.undefended = undefended
  }

  /// The whole method; its body is the paper's outline.
  ///
  /// - Ranks: collective; every rank returns the same.
  /// - Throws: what training, scoring and the exchange between ranks throw.
  public func run() throws -> MecaOutcome {
    let detectors = try freshDetectors()
    let warmedUp = try warmUp(detectors, .first)
    var (evidence, detection) = try detect(
      try enhance(detectors, .first), detectors, .first)
    if detection.flagged.isEmpty && configuration.warmUp.secondEpochs > 0 {
      session.journal.say("nobody flagged: a second attempt, with a longer warm-up")
      try detectors.restore(warmedUp)
      try warmUp(detectors, .second)
      (evidence, detection) = try detect(try enhance(detectors, .second), detectors, .second)
    }
    let clean = try trainClean(keeping: detection.kept)
    let relabelled = try relabel(detection.flagged, with: clean)
    let relearned = try relearn(from: clean, labels: relabelled)
    return MecaOutcome(
      evidence: evidence, detection: detection, clean: clean, relearned: relearned,
      relabelled: relabelled)
  }

  /// New detectors, each to learn what lies outside its own fold.
  private func freshDetectors() throws -> CrossFit {
    CrossFit(
      foldOfSample: CrossFit.assignFolds(
        labels: data.labels, folds: configuration.warmUp.folds, seed: session.compute.seed),
      models: try (0..<configuration.warmUp.folds).map {
        try session.freshModel(
          configuration.detectorNetwork(network), role: .detector, member: $0)
      })
  }

  /// Trains the detectors until the backdoor is learnt.
  ///
  /// Held-out questions make it harmless that clean samples are memorised meanwhile. A second
  /// attempt goes on where the first stopped.
  ///
  /// - Ranks: collective.
  /// - Returns: the detectors' state, which they are in.
  @discardableResult
  private func warmUp(
    _ detectors: CrossFit, _ attempt: DetectionAttempt
  ) throws -> [NamedTensor] {
    let settings = configuration.warmUpSettings(attempt)
    let state = try session.phase(
      attempt.phase(Self.warmUpPhase), settings: settings, checkpoints: checkpoints
    ) {
      var recipe = settings.recipe
      if attempt == .second { recipe.epochs = settings.secondEpochs }
      for (fold, model) in detectors.models.enumerated() {
        try session.train(
          model, on: data.training,
          phase: TrainingPhase(
            name: "\(attempt.phase(Self.warmUpPhase)) \(fold + 1)/\(settings.folds)",
            groups: [.learn(detectors.learnt(fold), shards: session.compute.shards)],
            labels: data.labels, recipe: recipe,
            orderKey: attempt.orderKey(ModelRole.detector.rawValue + fold)))
      }
      return PhaseState(tensors: detectors.exported())
    }
    try detectors.restore(state.tensors)
    return state.tensors
  }

  /// The settings that the clean model depends on: all but those of the relearning.
  private var settingsUpToClean: MecaConfiguration {
    var settings = configuration
    settings.relearn = settings.clean
    return settings
  }

  /// Clean training on what was not flagged.
  func trainClean(keeping kept: [Int32]) throws -> Model {
    let model = try session.freshModel(network, role: .compared)
    let state = try session.phase(
      "clean", settings: settingsUpToClean, checkpoints: checkpoints
    ) {
      if let undefended, kept == data.allIndices {
        session.journal.say("clean: everything is kept, so this is the undefended model")
        return PhaseState(tensors: undefended.exportTensors())
      }
      try session.train(
        model, on: data.training,
        phase: TrainingPhase(
          name: "clean", groups: [.learn(kept, shards: session.compute.shards)],
          labels: data.labels, recipe: configuration.clean, orderKey: ModelRole.compared.rawValue))
      return PhaseState(tensors: model.exportTensors())
    }
    try model.importTensors(state.tensors)
    return model
  }

  /// Gives the flagged samples the clean model's class: y'ᵢ = argmax f_clean(xᵢ).
  func relabel(_ flagged: [Int32], with clean: Model) throws -> [Int32] {
    var labels = data.labels
    let records = try session.evaluate(
      clean, on: data.training, indices: flagged, labels: data.labels)
    for (index, record) in zip(flagged, records) { labels[Int(index)] = record.prediction }
    return labels
  }

  /// Fine-tunes a copy of the clean model on all samples with the new labels (equation 12).
  func relearn(from clean: Model, labels: [Int32]) throws -> Model {
    let model = try session.freshModel(network, role: .relearned)
    let state = try session.phase(
      "relearn", settings: configuration, checkpoints: checkpoints
    ) {
      try model.importTensors(clean.exportTensors())
      try session.train(
        model, on: data.training,
        phase: TrainingPhase(
          name: "relearn", groups: [.learn(data.allIndices, shards: session.compute.shards)],
          labels: labels, recipe: configuration.relearn, orderKey: ModelRole.relearned.rawValue))
      return PhaseState(tensors: model.exportTensors())
    }
    try model.importTensors(state.tensors)
    return model
  }
}

/// One way from warmed-up detectors to a verdict; the raw values key sample orders.
enum DetectionAttempt: Int {
  /// After the warm-up.
  case first
  /// After a longer warm-up, where the first flagged nobody.
  case second

  /// A phase's name in the log and among the checkpoints.
  func phase(_ name: String) -> String { self == .first ? name : name + "-again" }

  /// The key of a phase's sample orders, distinct from those of the other attempt.
  func orderKey(_ key: Int) -> Int { rawValue << 13 | key }
}

/// What MeCa leaves behind.
public struct MecaOutcome {
  /// Per-sample facts that the decision rests on.
  public let evidence: Evidence
  /// Who is suspected, and whether anything separated at all.
  public let detection: Detection
  /// Trained on what was not flagged.
  public let clean: Model
  /// Fine-tuned on everything after relabelling: the result.
  public let relearned: Model
  /// Labels of the relearning.
  public let relabelled: [Int32]
}
