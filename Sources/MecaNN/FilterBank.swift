/// The filters of one convolution and the normalisation behind it, as defences look at them.
///
/// It reads the model's own numbers whenever it is asked.
public struct FilterBank {
  private let model: Model
  fileprivate let site: NormalisedConvolutionSite

  fileprivate init(_ model: Model, _ site: NormalisedConvolutionSite) {
    (self.model, self.site) = (model, site)
  }

  /// Prefix of the convolution's tensors, for example `layer1.0.conv1`.
  public var name: String { site.convolution.name }
  /// Number of filters, and so of the channels behind them ("O").
  public var channels: Int { site.convolution.shape.outputChannels }
  /// Channels that a filter sees ("I"); 1 in a depthwise convolution.
  public var inputs: Int { site.convolution.shape.inputChannels / site.convolution.shape.groups }
  /// Rows of a filter, and its columns.
  public var kernel: Int { site.convolution.shape.kernel }

  /// The filters, `[channels, inputs, kernel, kernel]` whatever the engine's own order is.
  public var weights: [Float] {
    let convolution = site.convolution
    let count = channels * inputs * kernel * kernel
    return [Float](unsafeUninitializedCapacity: count) { target, initialised in
      model.plan.convolutions[convolution.index].exportWeights(
        model.parameters.pointer + convolution.weights.lowerBound, to: target.baseAddress!)
      initialised = count
    }
  }

  /// What the normalisation multiplies each channel by, "γ".
  public var scale: [Float] { site.normalisation.gamma.map { model.parameters.pointer[$0] } }
  /// What it adds to each channel, "β".
  public var shift: [Float] { site.normalisation.beta.map { model.parameters.pointer[$0] } }
  /// Its running variance of each channel (unbiased).
  public var variance: [Float] { site.normalisation.variance.map { model.statistics.pointer[$0] } }

  fileprivate func belongs(to other: Model) -> Bool { model === other }
}

extension Model {
  /// All convolutions with a normalisation behind them, in the order of their parameters.
  public var filterBanks: [FilterBank] { plan.normalisedConvolutions.map { FilterBank(self, $0) } }

  /// Makes channels 0 whatever the image: γ = β = 0 behind their filters.
  ///
  /// A residual that is added behind them stays. Training on would wake them again.
  ///
  /// - Parameters:
  ///   - channels: numbers of the bank's channels, from 0.
  ///   - bank: one of `filterBanks`.
  public func silence(_ channels: [Int], of bank: FilterBank) {
    precondition(bank.belongs(to: self), "\(bank.name) is of another model")
    let normalisation = bank.site.normalisation
    for channel in channels {
      precondition(0..<bank.channels ~= channel, "channel \(channel) of \(bank.channels)")
      parameters.pointer[normalisation.gamma.lowerBound + channel] = 0
      parameters.pointer[normalisation.beta.lowerBound + channel] = 0
    }
    weightsDidChange()
  }
}
