import MecaCore
import MecaNN
import MecaTensor
import MecaTraining

/// Where the time of a training pass, or of an evaluation pass, goes: one row a convolution.
///
/// - Units: milliseconds of one microbatch on one thread; GFLOP/s count two operations for each
///   multiplication of the direct convolution, so that Winograd exceeds the processor's peak.
struct LayerTable: Encodable {
  /// One convolution with what follows it.
  struct Row: Encodable {
    var name: String
    var shape: String
    var kernel: String
    var forward: Double
    var byInput: Double
    var byWeights: Double
    /// Normalisation, residual and activation, both ways.
    var normalise: Double
    var forwardRate: Double
    var byInputRate: Double?
    var byWeightsRate: Double?

    private enum CodingKeys: String, CodingKey {
      case name, shape, kernel, forward = "forward_ms", byInput = "by_input_ms"
      case byWeights = "by_weights_ms", normalise = "normalise_ms", forwardRate = "forward_gflops"
      case byInputRate = "by_input_gflops", byWeightsRate = "by_weights_gflops"
    }
  }
  var microbatch: Int
  var rows: [Row]
  /// The whole pass.
  var total: Double
  /// Derived weights and the optimiser's update, once a step; 0 for evaluation.
  var update: Double

  private enum CodingKeys: String, CodingKey {
    case microbatch, rows, total = "total_ms", update = "update_ms"
  }

  /// Measures `passes` passes of a lane after one that does not count.
  ///
  /// - Ranks: local.
  init(model: Model, microbatch: Int, training: Bool, passes: Int) throws {
    let profile = LaneProfile()
    let lane = try Lane(
      model: model, microbatch: microbatch, training: training, inputGradient: false,
      profile: profile)
    var random = KeyedRandom(seed: 1, purpose: .weightInitialisation, 0)
    for place in 0..<lane.images.count { lane.images[place] = random.uniform(in: 0...1) }
    let objectives = (0..<microbatch).map {
      SampleObjective(
        label: Int32($0 % model.configuration.classCount), coefficient: 1 / Float(microbatch))
    }
    let reduction = AlignedStorage<Float>(count: training ? model.reductionCount : 0)
    let optimiser = SGD(model: model)
    let clock = ContinuousClock()
    var (passSeconds, updateSeconds) = (0.0, 0.0)
    for pass in 0...passes {
      if pass == 1 {
        for layer in profile.layers { layer.reset() }
        (passSeconds, updateSeconds) = (0, 0)
      }
      passSeconds +=
        clock.measure {
          if training {
            objectives.withUnsafeBufferPointer { lane.train($0, reduction: reduction.pointer) }
          } else {
            lane.infer()
          }
        } / .seconds(1)
      guard training else { continue }
      updateSeconds +=
        clock.measure {
          optimiser.step(
            model, gradient: reduction.pointer, learningRate: 1e-4, SGDConfiguration())
        } / .seconds(1)
    }
    self.microbatch = microbatch
    total = passSeconds / Double(passes) * 1e3
    update = updateSeconds / Double(passes) * 1e3
    rows = profile.layers.map { layer in
      func milliseconds(_ seconds: Double) -> Double { seconds / Double(passes) * 1e3 }
      func rate(_ seconds: Double) -> Double {
        2 * Double(layer.shape.multiplyAdds) / (seconds / Double(passes)) / 1e9
      }
      return Row(
        name: layer.name, shape: layer.shape.text, kernel: layer.kernelNames[0],
        forward: milliseconds(layer.forward), byInput: milliseconds(layer.byInput),
        byWeights: milliseconds(layer.byWeights),
        normalise: milliseconds(layer.normalise + layer.normaliseBackward),
        forwardRate: rate(layer.forward),
        byInputRate: layer.byInput > 0 ? rate(layer.byInput) : nil,
        byWeightsRate: layer.byWeights > 0 ? rate(layer.byWeights) : nil)
    }
  }

  /// The table for people.
  var text: String {
    func column(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    func left(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(0, width - text.count))
    }
    let names = (rows.map(\.name.count).max() ?? 0) + 2
    let shapes = (rows.map(\.shape.count).max() ?? 0) + 2
    var lines = [
      left("layer", names) + left("convolution", shapes)
        + "    forward   by input by weights  normalise   GFLOP/s: forward, by input, by weights"
    ]
    for row in rows {
      let times = [row.forward, row.byInput, row.byWeights, row.normalise]
      let rates = [row.forwardRate, row.byInputRate, row.byWeightsRate]
      let timeColumns = times.map { column(fixed($0, 3), 11) }.joined()
      let rateColumns = rates.map { rate in
        column(rate.map { fixed($0, 0) } ?? "-", 6)
      }.joined()
      lines.append(
        "\(left(row.name, names))\(left(row.shape, shapes))\(timeColumns)   \(rateColumns)  \(row.kernel)"
      )
    }
    func sum(_ part: (Row) -> Double) -> Double { rows.reduce(0) { $0 + part($1) } }
    let convolutions = sum { $0.forward + $0.byInput + $0.byWeights }
    let normalisations = sum(\.normalise)
    func share(_ milliseconds: Double) -> String {
      "\(fixed(milliseconds, 2)) ms (\(fixed(100 * milliseconds / (total + update), 1)) %)"
    }
    lines.append(
      "microbatch of \(microbatch): forward \(share(sum(\.forward))), "
        + "by input \(share(sum(\.byInput))), by weights \(share(sum(\.byWeights))), "
        + "normalisation \(share(normalisations)), "
        + "rest \(share(total - convolutions - normalisations))"
        + (update > 0 ? ", update of the weights \(share(update))" : ""))
    return lines.joined(separator: "\n")
  }
}

extension ConvolutionShape {
  /// For example `64→128 32x32 3x3/2`, the last two being kernel and stride.
  fileprivate var text: String {
    "\(inputChannels)→\(outputChannels) \(inputHeight)x\(inputWidth) \(kernel)x\(kernel)/\(stride)"
      + (groups > 1 ? " in \(groups)" : "")
  }
}
