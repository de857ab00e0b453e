import MecaCore

extension ActiveDefense {
  /// Settings.
  public struct Settings: SettingsTable {
    /// Epochs of supervised learning.
    public var supervisedEpochs = 10
    /// Ends of epochs, the last ones, whose losses count.
    public var supervisedMoments = 5
    /// Share of all samples, those learnt first, that is unlearnt: ABL's 0.01.
    public var suspiciousShare: Float = 0.01
    /// Share of each label, those learnt last, that is learnt beside it.
    public var credibleShare: Float = 0.5
    /// Passes over the credible and, among them, the suspicious.
    public var unlearnEpochs = 2
    /// Learning rate of these passes.
    public var unlearnRate: Float = 0.01
    /// Part of such a pass that the suspicious are, shown several times each.
    public var unlearnPart: Float = 0.125
    /// Share of each label that keeps it: DBD's ε, 0.5.
    public var labelledShare: Float = 0.5
    /// Probability from which the model's own answer is taken for a label: FixMatch's 0.95.
    public var confidence: Float = 0.95
    /// Probability of the given label after unlearning; whose is lower never gets that label back.
    public var doubtedBelow: Float = 0.5
    /// Epochs of fine-tuning; nil: as many as ordinary training has.
    public var fineTuneEpochs: Int?

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .integer(
        "supervised-epochs", \.supervisedEpochs, 1...4096,
        "Epochs of supervised learning."),
      .integer(
        "supervised-moments", \.supervisedMoments, 1...4096,
        "Ends of epochs, the last ones, whose losses tell who was learnt first."),
      .number(
        "suspicious-share", \.suspiciousShare, .share,
        "Share of all samples, those learnt first, that is unlearnt."),
      .number(
        "credible-share", \.credibleShare, .share,
        "Share of each label, those learnt last, that is learnt while others are unlearnt."),
      .integer(
        "unlearn-epochs", \.unlearnEpochs, 0...4096,
        "Passes over the credible and, under other labels, the suspicious samples."),
      .number("unlearn-rate", \.unlearnRate, .positive, "Learning rate of these passes."),
      .number(
        "unlearn-part", \.unlearnPart, .fraction,
        "Part that the suspicious samples make of such a pass, shown several times each."),
      .number(
        "labelled-share", \.labelledShare, .share,
        "Share of each label, those of the lowest losses after unlearning, that keeps its label."),
      .number(
        "confidence", \.confidence, .fraction,
        "Probability from which the model's own answer becomes a sample's label."),
      .number(
        "doubted-below", \.doubtedBelow, .fraction,
        "Probability of a sample's label after unlearning below which it never gets it back."),
      .integer(
        "fine-tune-epochs", \.fineTuneEpochs, 0...4096, otherwise: "--epochs",
        "Epochs of semi-supervised fine-tuning."),
    ]
  }
}
