import MecaCore
import MecaNN
import MecaTraining

/// Fine-tuning: the undefended model learns on, from samples known to be clean and nothing else.
///
/// What is not practised is forgotten, the backdoor too; how much depends on rate and length.
///
/// - Source: Liu et al. 2018, arXiv:1805.12185, as BackdoorBox has it ("full layers").
///   `docs/deviations.md`, "Fine-tuning".
/// - Expect: accuracy within a few points of the undefended model; an attack success that a rate of
///   0.001 hardly moves (MeCa's tables: 83.94/92.61 on average) and one of 0.01 moves for some
///   attacks. The reserve is what other defences do without.
public struct FineTuning: Defense {
  /// Settings.
  public struct Settings: SettingsTable {
    /// Passes over the reserve: BackdoorBox's 10.
    public var epochs = 10
    /// Learning rate: BackdoorBox's 0.001.
    public var rate: Float = 0.001
    /// Course of the rate: BackdoorBox's is constant.
    public var schedule = TrainingRecipe.ScheduleKind.constant

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .integer("fine-tune-epochs", \.epochs, 0...4096, "Passes over the clean reserve."),
      .number("fine-tune-rate", \.rate, .positive, "Learning rate on the reserve."),
      .choice("fine-tune-schedule", \.schedule, "Course of that rate."),
    ]

    /// The values of the other code base.
    public static var variants: [SettingsVariant<Settings>] {
      var bench = Settings()
      (bench.epochs, bench.rate, bench.schedule) = (100, 0.01, .cosine)
      return [
        SettingsVariant(
          name: "backdoorbench", sentence: "BackdoorBench's constants.", settings: bench)
      ]
    }
  }

  /// What people should know.
  public static let facts = DefenseFacts(
    name: "fine-tuning", title: "fine-tuning",
    sentence: "Trains the undefended model on, with a clean reserve alone.",
    source: "Liu et al. 2018, arXiv:1805.12185; BackdoorBox", needs: [.cleanReserve],
    judgesSamples: false)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings = Settings()) { self.settings = settings }

  /// Trains the undefended model on the reserve.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    guard !bench.reserve.isEmpty else { throw NoCleanReserve(defense: Self.facts.name) }
    let undefended = try bench.undefended()
    let tuned = try fineTune(bench, undefended)
    return DefenseOutcome(models: [
      .init("fine-tuned", try bench.model(tuned.state, of: bench.network))
    ])
  }

  /// All layers learn; momentum, decay and augmentation are those of the ordinary recipe.
  private func fineTune(
    _ bench: some Workbench, _ undefended: Finished<ModelState>
  ) throws -> Finished<ModelState> {
    var recipe = bench.recipe
    recipe.epochs = settings.epochs
    recipe.learningRate = settings.rate
    recipe.schedule = settings.schedule
    recipe.rampEpochs = 0
    let dependencies = ReserveTraining(recipe: recipe, reserve: bench.reserve)
    return try bench.stage("fine-tuning", dependencies, after: [undefended.digest]) { key in
      let model = try bench.model(undefended.state, of: bench.network)
      if recipe.epochs > 0 {
        let lesson = Lesson.learning(bench.reserve, labels: bench.samples.labels)
        try bench.train(model, lesson, recipe, key: key)
      }
      return model.state
    }
  }
}

/// A defence that needs clean samples was given none.
public struct NoCleanReserve: ReportableError {
  /// Name of the defence.
  public let defense: String

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people.
  public var description: String {
    "\(defense) needs samples that are known to be clean, and there are none"
  }
}

private struct ReserveTraining: Encodable {
  var recipe: TrainingRecipe
  var reserve: [Int32]
}
