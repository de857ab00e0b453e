import MecaCore
import MecaNN
import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

/// Active defence in three stages: supervised learning, active unlearning, semi-supervised
/// fine-tuning.
///
/// 1. Learns everything and watches the losses: poisoned samples are learnt first. The few with the
///    lowest losses are suspicious, the slower half of each label is credible.
/// 2. Unlearns the suspicious, as samples of any other label, among the credible: now poisoned
///    samples, whether they were among the suspicious or not, have high losses.
/// 3. In each label the half with the lowest of these losses keeps its label. All others are only
///    pictures: the model names them anew, where it is sure, and learns on from both. A sample whose
///    label the unlearned model doubts does not get that label back: the trigger is still known, and
///    the first pictures that bring it back would bring back all.
///
/// - Source: Ying and Wu 2023, arXiv:2406.13098 ("DLP"), of which only the abstract was at hand:
///   three stages and their names are the paper's, what they do is taken from published relatives.
///   Every decision: `docs/deviations.md`, "Active defence".
/// - Expect: as of Anti-Backdoor Learning, whose assumption it shares, that poisoned samples are
///   learnt first. BadNets and Blend at 5 % go; of SIG, whose poisons are pictures of the target, 4 to
///   9 % keep their label and 9 to 19 % of attack success is left (`docs/results.md`, Defences).
public struct ActiveDefense: Defense {
  /// What people should know.
  public static let facts = DefenseFacts(
    name: "active", title: "Active",
    sentence: "Unlearns what is learnt first; fine-tunes with labels of its own where it is sure.",
    source: "after the abstract of Ying and Wu 2023, arXiv:2406.13098")

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings = Settings()) { self.settings = settings }

  /// Learns, unlearns, fine-tunes.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let supervised = try learn(bench)
    let unlearned = try unlearn(bench, supervised)
    let tuned = try fineTune(bench, unlearned)
    return DefenseOutcome(
      models: [
        .init("unlearned", try bench.model(unlearned.state.model, of: bench.network)),
        .init("fine-tuned", try bench.model(tuned.state.model, of: bench.network)),
      ],
      verdict: verdict(bench.samples, supervised.state, unlearned.state, tuned.state))
  }

  // MARK: - Supervised learning

  /// Trains on everything, without augmentation and with the same rate throughout.
  private func learn(_ bench: some Workbench) throws -> Finished<ModelAndNumbers> {
    let recipe = bench.recipe.plain(epochs: settings.supervisedEpochs)
    let moments = settings.supervisedMoments
    let dependencies = StageSettings(recipe: recipe, values: ["moments": Float(moments)])
    return try bench.stage("supervised learning", dependencies, after: []) { _ in
      let model = try bench.newModel(bench.network, key: .compared)
      let lesson = Lesson.learning(bench.samples.allIndices, labels: bench.samples.labels)
      let logLosses = try bench.trainWatching(
        model, lesson, recipe, moments: moments, key: .compared)
      return ModelAndNumbers(model.state, logLosses)
    }
  }

  // MARK: - Active unlearning

  /// Learns the credible and, among them, the suspicious under labels that are not theirs.
  ///
  /// Gradient ascent does not do: a batch of suspicious samples alone has a trigger in every image,
  /// batch normalisation takes away what all have in common, and what is unlearnt is something else.
  private func unlearn(
    _ bench: some Workbench, _ supervised: Finished<ModelAndNumbers>
  ) throws -> Finished<ModelAndNumbers> {
    let recipe = bench.recipe.plain(epochs: 1, rate: settings.unlearnRate)
    let (suspicious, credible) = try choose(bench, logLosses: supervised.state.numbers)
    let shown = credible + repeated(suspicious, beside: credible.count)
    let dependencies = StageSettings(
      recipe: recipe,
      values: [
        "suspicious-share": settings.suspiciousShare, "credible-share": settings.credibleShare,
        "unlearn-epochs": Float(settings.unlearnEpochs), "unlearn-part": settings.unlearnPart,
      ])
    return try bench.stage("active unlearning", dependencies, after: [supervised.digest]) { key in
      let model = try bench.model(supervised.state.model, of: bench.network)
      for epoch in 0..<settings.unlearnEpochs where !shown.isEmpty {
        let labels = otherLabels(
          of: suspicious, bench.samples, seed: bench.seed(of: key.member("labels", epoch)))
        let lesson = Lesson.learning(shown, labels: labels)
        try bench.train(model, lesson, recipe, key: key.member("epoch", epoch))
      }
      let answers = try bench.judge(model, bench.samples.allIndices, labels: bench.samples.labels)
      return ModelAndNumbers(model.state, answers.map(\.loss))
    }
  }

  /// Who is unlearnt and who is learnt.
  ///
  /// Where there is one class alone there are no other labels, so nobody is unlearnt.
  private func choose(
    _ bench: some Workbench, logLosses: [Float]
  ) throws -> (suspicious: [Int32], credible: [Int32]) {
    let suspicious = try bench.decided {
      bench.samples.classCount > 1 ? learntFirst(bench.samples, logLosses) : []
    }
    let credible = try bench.decided { learntLast(bench.samples, logLosses, without: suspicious) }
    bench.observe(
      "supervised learning", "suspicious", marked: flags(suspicious, count: bench.samples.count),
      values: ["suspicious": .integer(suspicious.count), "credible": .integer(credible.count)])
    return (suspicious, credible)
  }

  /// Whom the model learnt first: the lowest of all samples.
  func learntFirst(_ samples: GivenData, _ logLosses: [Float]) -> [Int32] {
    let count = sampleCount(settings.suspiciousShare, of: samples.count)
    return lowest(count, of: samples.allIndices, by: logLosses)
  }

  /// Whom it learnt last: the highest of each label, so that none is forgotten.
  func learntLast(
    _ samples: GivenData, _ logLosses: [Float], without suspicious: [Int32]
  ) -> [Int32] {
    let slowest = membersOfLabels(samples.labels).flatMap { members in
      highest(
        sampleCount(settings.credibleShare, of: members.count), of: members.map { Int32($0) },
        by: logLosses)
    }
    return all(slowest, without: suspicious).sorted()
  }

  /// The suspicious as often as their part of a pass needs, once at least: with part u beside n
  /// others `u / (1 − u) · n` places.
  private func repeated(_ suspicious: [Int32], beside count: Int) -> [Int32] {
    let part = Double(settings.unlearnPart)
    let places = part / (1 - part) * Double(count)
    let times = max(1, Int((places / Double(max(1, suspicious.count))).rounded()))
    return (0..<times).flatMap { _ in suspicious }
  }

  /// All labels, those of the suspicious drawn anew from all but their own.
  ///
  /// Example: of labels 0 to 3 a sample with label 1 gets 0, 2 or 3, from places 0, 1 and 2.
  private func otherLabels(
    of suspicious: [Int32], _ samples: GivenData, seed: UInt64
  ) -> [Int32] {
    var labels = samples.labels
    var random = KeyedRandom(seed: seed, purpose: .labelMixing)
    for sample in suspicious.map({ Int($0) }) {
      let place = Int32(random.integer(below: samples.classCount - 1))
      labels[sample] = place < labels[sample] ? place : place + 1
    }
    return labels
  }

  // MARK: - Active semi-supervised fine-tuning

  /// Rounds of naming the unlabelled and of learning an epoch from the labelled and the named.
  private func fineTune(
    _ bench: some Workbench, _ unlearned: Finished<ModelAndNumbers>
  ) throws -> Finished<FineTuned> {
    let labelled = try bench.decided { stillFitted(bench.samples, unlearned.state.numbers) }
    let unlabelled = all(bench.samples.allIndices, without: labelled)
    let lost = try bench.decided { doubted(unlearned.state.numbers) }
    bench.observe(
      "active unlearning", "unlabelled", marked: flags(unlabelled, count: bench.samples.count),
      values: ["labelled": .integer(labelled.count), "unlabelled": .integer(unlabelled.count)])
    let rounds = settings.fineTuneEpochs ?? bench.recipe.epochs
    let dependencies = StageSettings(
      recipe: bench.recipe,
      values: [
        "rounds": Float(rounds), "labelled-share": settings.labelledShare,
        "confidence": settings.confidence, "doubted-below": settings.doubtedBelow,
      ])
    let tuned = try bench.stage("fine-tuning", dependencies, after: [unlearned.digest]) { key in
      let model = try bench.model(unlearned.state.model, of: bench.network)
      var named = NamedSamples(bench.samples)
      for round in 0..<rounds {
        named = try name(unlabelled, by: model, bench, notAsGiven: lost)
        let lesson = Lesson.learning((labelled + named.indices).sorted(), labels: named.labels)
        let recipe = roundRecipe(bench.recipe, round, of: rounds)
        try bench.train(model, lesson, recipe, key: key.member("round", round))
      }
      return FineTuned(model: model.state, labels: named.labels)
    }
    bench.observe(
      "fine-tuning", "learnt under another label",
      marked: differing(tuned.state.labels, bench.samples.labels), values: [:])
    return tuned
  }

  /// In each label the lowest losses after unlearning, one sample at least.
  func stillFitted(_ samples: GivenData, _ losses: [Float]) -> [Int32] {
    membersOfLabels(samples.labels).flatMap { members in
      lowest(
        max(1, sampleCount(settings.labelledShare, of: members.count)),
        of: members.map { Int32($0) }, by: losses)
    }.sorted()
  }

  /// Whether each sample's own label has less than the doubtful probability p after unlearning: its
  /// loss is above −ln p.
  private func doubted(_ losses: [Float]) -> [Bool] {
    let limit = -log(Double(settings.doubtedBelow))
    return losses.map { Double($0) > limit }
  }

  /// The model's answer where its probability is τ or more, unless that is a label that the sample
  /// has lost.
  private func name(
    _ unlabelled: [Int32], by model: Model, _ bench: some Workbench, notAsGiven lost: [Bool]
  ) throws -> NamedSamples {
    if unlabelled.isEmpty { return NamedSamples(bench.samples) }
    let given = bench.samples.labels
    let answers = try bench.judge(model, unlabelled, labels: given)
    let names = try bench.decided {
      zip(unlabelled.map { Int($0) }, answers).map { sample, answer in
        let isSure = answer.confidence >= settings.confidence
        let isLost = lost[sample] && answer.prediction == given[sample]
        return isSure && !isLost ? answer.prediction : NamedSamples.nobody
      }
    }
    return NamedSamples(bench.samples, unlabelled: unlabelled, names: names)
  }

  /// One epoch of the ordinary recipe with its augmentation; over the rounds the rate falls along
  /// half a cosine: `η_r = η · (1 + cos(π · (r + ½) / R)) / 2`.
  func roundRecipe(_ ordinary: TrainingRecipe, _ round: Int, of rounds: Int) -> TrainingRecipe {
    var recipe = ordinary
    (recipe.epochs, recipe.schedule) = (1, .constant)
    if round > 0 { recipe.rampEpochs = 0 }
    let course = (1 + cos(Double.pi * (Double(round) + 0.5) / Double(rounds))) / 2
    recipe.learningRate = Float(Double(ordinary.learningRate) * course)
    return recipe
  }

  // MARK: - Verdict

  /// Flagged are the samples that the result learnt under another label than the given one; the
  /// score is the loss after unlearning.
  private func verdict(
    _ samples: GivenData, _ supervised: ModelAndNumbers, _ unlearned: ModelAndNumbers,
    _ tuned: FineTuned
  ) -> Verdict {
    Verdict(
      flagged: differing(tuned.labels, samples.labels), score: unlearned.numbers,
      labels: samples.labels, relabelled: tuned.labels,
      columns: [
        .init("early_log10_loss", supervised.numbers), .init("unlearned_loss", unlearned.numbers),
      ])
  }

  private func differing(_ labels: [Int32], _ given: [Int32]) -> [Bool] {
    zip(labels, given).map { $0 != $1 }
  }
}
