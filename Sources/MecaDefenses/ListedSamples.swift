import MecaCore
import MecaTraining

/// No detection: somebody else has made a list of the samples to leave out, or of new labels.
///
/// What a person has made of `suspects.csv`, or what another tool says. The model is trained from
/// scratch as all models are that are compared.
public struct ListedSamples: Defense {
  /// Settings.
  public struct Settings: SettingsTable {
    /// File that names the samples to leave out.
    public var exclude: String?
    /// File that names samples and their new labels.
    public var relabel: String?

    /// No list.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .text(
        "exclude", \.exclude, allowed: "a file", otherwise: "nobody",
        "Samples to leave out: an edited suspects.csv, a CSV with a column index or path, or a line each."
      ),
      .text(
        "relabel", \.relabel, allowed: "a file", otherwise: "nobody",
        "Samples with new labels: the same, with a column relabelled_as, or index,label and path,label."
      ),
    ]
  }

  /// What the lists say, by data set index.
  public struct Lists: Sendable, Codable, Equatable {
    /// Samples to leave out, ascending.
    public var excluded: [Int32] = []
    /// Samples with a new label, ascending.
    public var relabelled: [Int32] = []
    /// Their new labels.
    public var newLabels: [Int32] = []

    /// Nobody.
    public init() {}
  }

  /// What people should know.
  public static let facts = DefenseFacts(
    name: "listed", title: "listed samples",
    sentence: "Trains on all but the samples of a list that you give, or with its new labels.",
    source: "plain supervised learning", judgesSamples: false)

  /// Its settings.
  public let settings: Settings
  /// What the files say; whoever can read them says so before `run`.
  public var lists = Lists()

  /// Makes it, with no list yet.
  public init(_ settings: Settings = Settings()) { self.settings = settings }

  /// Trains on what is left.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let isExcluded = flags(lists.excluded, count: bench.samples.count)
    let kept = bench.samples.allIndices.filter { !isExcluded[Int($0)] }
    var labels = bench.samples.labels
    for (index, label) in zip(lists.relabelled, lists.newLabels) { labels[Int(index)] = label }
    bench.say(
      "\(lists.excluded.count) samples left out, \(lists.relabelled.count) with a new label, "
        + "\(kept.count) learnt")
    let trained = try bench.stage(
      "train", Dependencies(recipe: bench.recipe, lists: lists), after: []
    ) { _ in
      try bench.trainedFromScratch(on: kept, labels: labels).state
    }
    return DefenseOutcome(models: [
      .init("listed", try bench.model(trained.state, of: bench.network))
    ])
  }

  private struct Dependencies: Encodable {
    var recipe: TrainingRecipe
    var lists: Lists
  }
}
