import MecaCore
import MecaImages

/// TaCT: a trigger that works on one source class alone.
///
/// Poisons are samples of the source class with the trigger and the target's label. Covers are
/// samples of other classes with the same trigger and their true label: they teach the model that
/// the trigger means nothing there.
///
/// Defaults are the paper's Table I: source 0, target 1, a white square of 3 pixels at 32, 5 % of
/// the set poisoned and 1 % covers. Table I does not name the cover classes; all but source and
/// target here. Where the source class holds fewer samples than asked for (CIFAR-100: 1 % of the
/// set), all of them are taken; `--rate-base source` makes both rates fractions of that class.
///
/// The authors count the attack's success over the source class (`asr`); the paper's cells are over
/// all classes but the target (`asr_all`).
///
/// - Source: Tang et al. 2019, arXiv:1908.00686.
public struct TaCT: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Covers, as a fraction of the training set.
    public var coverRate = 0.01
    /// What the two rates are fractions of.
    public var rateBase = RateBase.dataset
    /// The class that the backdoor leads from.
    public var source = ClassReference.number(0)
    /// Classes that covers are drawn from; nil for all but source and target.
    public var coverClasses: [ClassReference]?
    /// The patch.
    public var patch = PatchSettings()

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      [
        .coverRate(\.coverRate),
        .choice("rate-base", \.rateBase, "What both rates are fractions of."),
        .classReference("source", \.source, "Class that the trigger works on."),
        .classReferences(
          "cover-classes", \.coverClasses, otherwise: "all but source and target",
          "Classes of the covers."),
      ] + PatchSettings.table.map { $0.within(\.patch) }

    /// Puts numbers in the place of names.
    public mutating func resolveClasses(among names: [String]) throws {
      source = .number(try source.number(among: names, setting: "source"))
      coverClasses = try coverClasses.map { classes in
        try Set(classes.map { try $0.number(among: names, setting: "cover-classes") }).sorted()
          .map { .number($0) }
      }
    }

    /// Puts other numbers in the place of numbers.
    public mutating func renumberClasses(_ numbers: [Int]) {
      func renumbered(_ reference: ClassReference) -> ClassReference {
        if case .number(let number) = reference { .number(numbers[number]) } else { reference }
      }
      source = renumbered(source)
      coverClasses = coverClasses?.map(renumbered).sorted {
        if case (.number(let first), .number(let second)) = ($0, $1) {
          first < second
        } else {
          false
        }
      }
    }
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "tact", title: "TaCT",
    sentence: "A white square that leads to the target from one source class alone.",
    source: "Tang et al. 2019, arXiv:1908.00686")

  /// What every attack has.
  public let goal: AttackGoal
  /// Its values.
  public let settings: Settings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: Settings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// As the settings say.
  public var coverRate: Double { settings.coverRate }
  /// As the settings say.
  public var source: Int? { number(settings.source) }

  /// Source and target must differ, and covers be of neither.
  public func check(classCount: Int, imageShape: ImageShape?) throws {
    try settings.patch.check(imageShape: imageShape)
    let source = number(settings.source)
    let classNumbers = "a class number, 0 to \(classCount - 1)"
    func refuse(_ setting: String, _ value: String, _ allowed: String) -> SettingError {
      SettingError(setting: setting, value: value, allowed: allowed)
    }
    guard (0..<classCount).contains(source) else {
      throw refuse("source", "\(source)", classNumbers)
    }
    guard source != goal.target else {
      throw refuse("source", "\(source)", "another class than the target (\(goal.target))")
    }
    guard let covers = settings.coverClasses.map({ $0.map(number) }) else { return }
    let text = covers.map(String.init).joined(separator: ",")
    guard !covers.isEmpty, covers.allSatisfy((0..<classCount).contains) else {
      throw refuse("cover-classes", text, "class numbers, 0 to \(classCount - 1)")
    }
    guard !covers.contains(source), !covers.contains(goal.target) else {
      throw refuse(
        "cover-classes", text,
        "other classes than the source (\(source)) and the target (\(goal.target))")
    }
  }

  private func number(_ reference: ClassReference) -> Int {
    guard case .number(let number) = reference else {
      preconditionFailure("the class \(reference) was not resolved")
    }
    return number
  }

  /// All, or those of the source.
  public func isInRateBase(label: Int) -> Bool {
    settings.rateBase == .dataset || label == source
  }

  /// Those of the source.
  public func mayPoison(label: Int) -> Bool { label == source }

  /// Those of the cover classes.
  public func mayCover(label: Int) -> Bool {
    settings.coverClasses?.contains(.number(label)) ?? (label != source && label != goal.target)
  }

  /// Those of the source.
  public func isVictim(label: Int) -> Bool { label == source }

  /// BadNets' square with its weight in training.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try BadNets.trigger(settings.patch, for: shape, alpha: settings.patch.weight.training)
  }

  /// BadNets' square with its weight at test time.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try BadNets.trigger(settings.patch, for: shape, alpha: settings.patch.weight.atTest)
  }
}
