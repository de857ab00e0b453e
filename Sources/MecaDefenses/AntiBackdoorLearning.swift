import MecaCore
import MecaNN
import MecaTraining

/// Anti-Backdoor Learning: what is learnt suspiciously easily is unlearnt.
///
/// A trigger is easier than a picture. So training that never lets its loss fall below γ ends with
/// losses near 0 for the poisoned samples and around γ for the others. The few lowest are isolated,
/// the rest are learnt as usual (which keeps the backdoor), and then the loss of the isolated is
/// driven up, which takes the backdoor away.
///
/// - Source: Li et al. 2021, arXiv:2110.11571, section 3. Where it differs
///   from the paper and published code: `docs/deviations.md`, "Anti-Backdoor Learning".
/// - Expect: among the isolated 1 % more than 90 % poisoned with BadNets and Blend at 5 %; then an
///   attack success of a few per cent. Poisons that are harder to learn than pictures (WaNet) are
///   not isolated, and what is unlearnt in their place costs accuracy.
public struct AntiBackdoorLearning: Defense {
  /// Settings; publications count epochs of 50,000 images, 390 steps each.
  public struct Settings: SettingsTable {
    /// Loss below which isolation training ascends, nats: the paper's 0.5.
    public var lossFloor: Float = 0.5
    /// Passes of isolation training: 10 as in the authors' code, 20 in the paper.
    public var isolationEpochs = 10
    /// Ends of epochs, the last ones, whose losses count: the paper's 1 is too few with a rate that
    /// is still high, and 10,000 images.
    public var isolationMoments = 5
    /// Share of all samples that is isolated: the paper's 0.01.
    public var isolationShare: Float = 0.01
    /// Passes over the isolated: 20 steps where 100 are isolated and a step has 64, as in published
    /// code, where 5 passes have 4 steps each.
    public var unlearnEpochs = 10
    /// Learning rate of unlearning: that of the authors' code.
    public var unlearnRate: Float = 5e-4
    /// Loss from which an isolated sample counts as unlearnt, nats; published code has no limit.
    public var unlearnCap: Float = 10

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .number(
        "loss-floor", \.lossFloor, .notNegative, symbol: "γ",
        "Loss of a step, in nats, below which isolation training ascends instead."),
      .integer(
        "isolation-epochs", \.isolationEpochs, 1...4096, symbol: "T_te",
        "Epochs of isolation training."),
      .integer(
        "isolation-moments", \.isolationMoments, 1...4096,
        "Ends of epochs, the last ones, whose losses are averaged."),
      .number(
        "isolation-share", \.isolationShare, .share, symbol: "p",
        "Share of all samples, those of the lowest losses, that is isolated."),
      .integer(
        "unlearn-epochs", \.unlearnEpochs, 0...4096,
        "Passes over the isolated samples that unlearn them."),
      .number("unlearn-rate", \.unlearnRate, .positive, "Learning rate of unlearning."),
      .number(
        "unlearn-cap", \.unlearnCap, .positive,
        "Loss of an isolated sample, in nats, from which it is unlearnt enough."),
    ]

    /// The values of published code, whose epochs are four to five times as long as ours.
    public static var variants: [SettingsVariant<Settings>] {
      var box = Settings()
      (box.isolationEpochs, box.isolationMoments) = (20, 1)
      (box.unlearnEpochs, box.unlearnRate, box.unlearnCap) = (5, 5e-4, 1000)
      var bench = box
      (bench.unlearnEpochs, bench.unlearnRate) = (20, 1e-4)
      var authors = box
      authors.isolationEpochs = 10
      return [
        SettingsVariant(
          name: "backdoorbox", sentence: "BackdoorBox's test of ABL; no cap.", settings: box),
        SettingsVariant(
          name: "backdoorbench", sentence: "BackdoorBench's constants; no cap.", settings: bench),
        SettingsVariant(
          name: "authors", sentence: "The authors' code, with its 10 isolation epochs; no cap.",
          settings: authors),
      ]
    }
  }

  /// What people should know.
  public static let facts = DefenseFacts(
    name: "abl", title: "ABL",
    sentence: "Isolates the samples that are learnt suspiciously easily, and unlearns them.",
    source: "Li et al. 2021, arXiv:2110.11571, section 3")

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings = Settings()) { self.settings = settings }

  /// Trains for isolation, isolates, learns the rest, unlearns the isolated.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let biased = try trainForIsolation(bench)
    let isolated = try isolate(bench, logLosses: biased.state.numbers)
    let verdict = verdict(bench.samples, isolated, logLosses: biased.state.numbers)
    try bench.judged(verdict)
    let learned = try learnTheRest(bench, biased, without: isolated)
    let unlearned = try unlearn(bench, learned, isolated)
    return DefenseOutcome(
      models: [
        .init("learned", try bench.model(learned.state, of: bench.network)),
        .init("unlearned", try bench.model(unlearned.state, of: bench.network)),
      ],
      verdict: verdict)
  }

  /// Trains from scratch with local gradient ascent: `L = sign(ℓ − γ)·ℓ`, ℓ the mean over a step.
  ///
  /// Loss flooding, `|ℓ − b| + b`, has the same gradient with b = γ, so there is no setting to
  /// choose between them; γ = 0 is plain training. Without augmentation and with the same rate
  /// throughout, as in the authors' code.
  private func trainForIsolation(_ bench: some Workbench) throws -> Finished<ModelAndNumbers> {
    let recipe = bench.recipe.plain(epochs: settings.isolationEpochs)
    let dependencies = StageSettings(
      recipe: recipe,
      values: ["loss-floor": settings.lossFloor, "moments": Float(settings.isolationMoments)])
    return try bench.stage("isolation", dependencies, after: []) { _ in
      let model = try bench.newModel(bench.network, key: .compared)
      var lesson = Lesson.learning(bench.samples.allIndices, labels: bench.samples.labels)
      lesson.ascendBelow = settings.lossFloor
      let logLosses = try bench.trainWatching(
        model, lesson, recipe, moments: settings.isolationMoments, key: .compared)
      return ModelAndNumbers(model.state, logLosses)
    }
  }

  /// The share of all samples with the lowest losses.
  private func isolate(_ bench: some Workbench, logLosses: [Float]) throws -> [Int32] {
    let everybody = bench.samples.allIndices
    let count = sampleCount(settings.isolationShare, of: everybody.count)
    let isolated = try bench.decided { lowest(count, of: everybody, by: logLosses) }
    let highest = isolated.map { Double(logLosses[Int($0)]) }.max()
    bench.say(
      "isolation: \(count) of \(everybody.count) samples isolated"
        + (highest.map { ", log10 of the loss up to \(fixed($0, 2))" }
          ?? "; nothing will be unlearnt"))
    bench.observe(
      "isolation", "isolated", marked: flags(isolated, count: everybody.count),
      values: ["isolated": .integer(count), "highest_log10_loss": .number(highest ?? .nan)])
    return isolated
  }

  /// Learns all but the isolated by the ordinary recipe, from the weights of isolation training.
  private func learnTheRest(
    _ bench: some Workbench, _ biased: Finished<ModelAndNumbers>, without isolated: [Int32]
  ) throws -> Finished<ModelState> {
    let rest = all(bench.samples.allIndices, without: isolated)
    let dependencies = StageSettings(
      recipe: bench.recipe, values: ["isolation-share": settings.isolationShare])
    return try bench.stage("learning", dependencies, after: [biased.digest]) { key in
      let model = try bench.model(biased.state.model, of: bench.network)
      if !rest.isEmpty {
        let lesson = Lesson.learning(rest, labels: bench.samples.labels)
        try bench.train(model, lesson, bench.recipe, key: key)
      }
      return model.state
    }
  }

  /// Maximises the loss of the isolated: `L = −ℓ`, of each sample until its own is above the cap.
  private func unlearn(
    _ bench: some Workbench, _ learned: Finished<ModelState>, _ isolated: [Int32]
  ) throws -> Finished<ModelState> {
    let recipe = bench.recipe.plain(epochs: settings.unlearnEpochs, rate: settings.unlearnRate)
    let dependencies = StageSettings(recipe: recipe, values: ["unlearn-cap": settings.unlearnCap])
    return try bench.stage("unlearning", dependencies, after: [learned.digest]) { key in
      let model = try bench.model(learned.state, of: bench.network)
      if !isolated.isEmpty && recipe.epochs > 0 {
        let group = TrainingGroup(indices: isolated, weight: -1, lossCap: settings.unlearnCap)
        let lesson = Lesson(groups: [group], labels: bench.samples.labels)
        try bench.train(model, lesson, recipe, key: key)
      }
      return model.state
    }
  }

  /// The isolated are flagged; the lower the loss at isolation, the more suspicious.
  private func verdict(
    _ samples: GivenData, _ isolated: [Int32], logLosses: [Float]
  ) -> Verdict {
    Verdict(
      flagged: flags(isolated, count: samples.count), score: logLosses.map { -$0 },
      labels: samples.labels, columns: [.init("isolation_log10_loss", logLosses)])
  }
}
