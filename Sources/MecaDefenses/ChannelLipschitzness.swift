import MecaCore
import MecaNN
import MecaTraining

/// Channel Lipschitzness based Pruning: silences the channels that a small change moves most.
///
/// Needs no data at all: a trigger is a small change of the image with a large effect, so what it
/// goes through must be channels with an unusually large Lipschitz constant, and weights alone give
/// a bound of that.
///
/// - Source: Zheng et al. 2022, ECCV, arXiv:2208.03111, algorithm 1.
///   `docs/deviations.md`, "CLP".
/// - Expect: much depends on u. The authors' code with BadNets at 5 % on CIFAR-10: accuracy and
///   attack success 93.6/99.0 without, 93.7/98.0 with u = 4, 92.9/71.9 with 3, 49.0/0.4 with 2.
public struct ChannelLipschitzness: Defense {
  /// Settings.
  public struct Settings: SettingsTable {
    /// Standard deviations above the mean from which a channel is silenced: the paper's 3.
    public var threshold: Float = 3

    /// The default.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .number(
        "lipschitz-threshold", \.threshold, .notNegative, symbol: "u",
        "Standard deviations above its layer's mean from which a channel is silenced.")
    ]
  }

  /// What people should know.
  public static let facts = DefenseFacts(
    name: "clp", title: "CLP",
    sentence: "Silences the channels with an unusually large Lipschitz constant; needs no data.",
    source: "Zheng et al. 2022, arXiv:2208.03111, algorithm 1", judgesSamples: false)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings = Settings()) { self.settings = settings }

  /// Silences channels of the undefended model.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let undefended = try bench.undefended()
    let pruned = try bench.stage("pruning", settings, after: [undefended.digest]) { _ in
      let model = try bench.model(undefended.state, of: bench.network)
      try prune(model, bench)
      return model.state
    }
    return DefenseOutcome(models: [
      .init("pruned", try bench.model(pruned.state, of: bench.network))
    ])
  }

  /// Layer by layer: who is silenced is decided on rank 0.
  private func prune(_ model: Model, _ bench: some Workbench) throws {
    var (silenced, channels) = (0, 0)
    for bank in model.filterBanks {
      let outliers = try bench.decided {
        channelsAbove(settings.threshold, constants: lipschitzConstants(bank))
      }
      model.silence(outliers, of: bank)
      bench.record(
        "pruned",
        [
          "layer": .text(bank.name), "silenced": .integer(outliers.count),
          "channels": .integer(bank.channels),
        ])
      silenced += outliers.count
      channels += bank.channels
    }
    bench.say("pruning: \(silenced) of \(channels) channels are silenced")
  }
}

/// An upper bound of every channel's Lipschitz constant, "L_k".
///
/// `L_k = σ_max(W_k) · |γ_k| / √variance_k` with W_k the filter as a matrix `[inputs, kernel²]`. A
/// channel that never varied (its variance is 0) gets 0: the formula has no value there.
package func lipschitzConstants(_ bank: FilterBank) -> [Double] {
  let (weights, scale, variance) = (bank.weights, bank.scale, bank.variance)
  let (rows, columns) = (bank.inputs, bank.kernel * bank.kernel)
  return (0..<bank.channels).map { channel in
    guard variance[channel] > 0 else { return 0 }
    let filter = weights[channel * rows * columns..<(channel + 1) * rows * columns]
    return spectralNorm(filter, rows: rows, columns: columns)
      * abs(Double(scale[channel])) / Double(variance[channel]).squareRoot()
  }
}

/// The channels with `L_k > mean + u · standard deviation` over the layer; the deviation is the
/// unbiased one, 0 for a layer of one channel.
package func channelsAbove(_ threshold: Float, constants: [Double]) -> [Int] {
  let count = Double(constants.count)
  let mean = constants.reduce(0, +) / count
  let squares = constants.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  let deviation = count > 1 ? (squares / (count - 1)).squareRoot() : 0
  return constants.indices.filter { constants[$0] > mean + Double(threshold) * deviation }
}
