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
  /// Hyper-parameters.
  public let configuration: MecaConfiguration
  let session: TrainingSession
  let data: TrainingData
  let network: NetworkConfiguration
  let checkpoints: CheckpointStore?

  /// Binds the defence to a run.
  public init(
    _ configuration: MecaConfiguration, session: TrainingSession, data: TrainingData,
    network: NetworkConfiguration, checkpoints: CheckpointStore?
  ) {
    self.configuration = configuration
    self.session = session
    self.data = data
    self.network = network
    self.checkpoints = checkpoints
  }

  /// The whole method; its body is the paper's outline.
  ///
  /// - Ranks: collective; every rank returns the same.
  /// - Throws: what training, scoring and the exchange between ranks throw.
  public func run() throws -> MecaOutcome {
    let detectors = try warmUp()
    let moments = try enhance(detectors)
    let (evidence, detection) = try detect(moments, detectors)
    let clean = try trainClean(keeping: detection.kept)
    let relabelled = try relabel(detection.flagged, with: clean)
    let relearned = try relearn(from: clean, labels: relabelled)
    return MecaOutcome(
      evidence: evidence, detection: detection, clean: clean, relearned: relearned,
      relabelled: relabelled)
  }

  /// The network of the detectors: a second class for every label, kept for the confirmation, and
  /// perhaps another width.
  private var detectorNetwork: NetworkConfiguration {
    var network = network
    network.width = configuration.warmUp.detectorWidth ?? network.width
    network.classCount *= 2
    return network
  }

  /// Trains the detectors until the backdoor is learnt; held-out questions make it harmless that
  /// clean samples are memorised meanwhile.
  func warmUp() throws -> CrossFit {
    let folds = CrossFit.assignFolds(
      labels: data.labels, folds: configuration.warmUp.folds, seed: session.compute.seed)
    let detectors = CrossFit(
      foldOfSample: folds,
      models: try (0..<configuration.warmUp.folds).map {
        try session.freshModel(detectorNetwork, role: .detector, member: $0)
      })
    let state = try session.phase(
      "warm-up", settings: configuration.warmUp, checkpoints: checkpoints
    ) {
      for (fold, model) in detectors.models.enumerated() {
        try session.train(
          model, on: data.training,
          phase: TrainingPhase(
            name: "warm-up \(fold + 1)/\(configuration.warmUp.folds)",
            groups: [.learn(detectors.learnt(fold), shards: session.compute.shards)],
            labels: data.labels, recipe: configuration.warmUp.recipe,
            orderKey: ModelRole.detector.rawValue + fold))
      }
      return PhaseState(tensors: detectors.exported())
    }
    try detectors.restore(state.tensors)
    return detectors
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
