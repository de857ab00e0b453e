import CMecaKernels
import MecaCore

/// A convolution with groups as one plain convolution for each group, on either engine.
///
/// The group's channels are copied out, convolved and copied back: correct for any number of groups,
/// not fast. Groups of one channel each have `DepthwiseConvolution`.
final class GroupedConvolution: Convolution {
  let weightCount: Int
  let preparedCount: Int
  var kernelNames: [String] { inner.kernelNames }

  private let shape: ConvolutionShape
  private let inner: any Convolution
  private let input: Side
  private let output: Side
  /// Floats from one group's weights to the next one's; multiples of 16 keep them aligned.
  private let weightStep: Int
  private let preparedStep: Int

  /// Activations of one side: all channels, and memory for one group's.
  private struct Side {
    let layout: ActivationLayout
    let group: ActivationLayout
    let copy: AlignedStorage<Float>
    let batch: Int

    init(_ layout: ActivationLayout, groups: Int, batch: Int, engine: any Engine) {
      self.layout = layout
      self.batch = batch
      group = engine.activationLayout(
        channels: layout.channels / groups, height: layout.height, width: layout.width)
      copy = AlignedStorage(count: group.count(batch: batch))
    }

    /// One group's channels on their own; their padding stays zero from the beginning.
    func take(_ index: Int, from values: UnsafePointer<Float>) -> UnsafePointer<Float> {
      meca_copy_channels(
        layout.kernelLayout(batch: batch), values, Int64(index * group.channels),
        group.kernelLayout(batch: batch), copy.pointer, 0, Int64(group.channels))
      return UnsafePointer(copy.pointer)
    }

    /// Puts the copy's channels back.
    func give(_ index: Int, to values: UnsafeMutablePointer<Float>) {
      meca_copy_channels(
        group.kernelLayout(batch: batch), copy.pointer, 0, layout.kernelLayout(batch: batch),
        values, Int64(index * group.channels), Int64(group.channels))
    }

    /// Zero in places behind the last channel.
    func clearPadding(_ values: UnsafeMutablePointer<Float>) {
      if layout.channels % layout.block != 0 {
        values.update(repeating: 0, count: layout.count(batch: batch))
      }
    }
  }

  init(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
    needsInputGradient: Bool, training: Bool, workspace: Workspace, engine: any Engine
  ) throws {
    self.shape = shape
    self.input = Side(input, groups: shape.groups, batch: shape.batch, engine: engine)
    self.output = Side(output, groups: shape.groups, batch: shape.batch, engine: engine)
    var one = shape
    one.groups = 1
    one.inputChannels /= shape.groups
    one.outputChannels /= shape.groups
    inner = try engine.makeConvolution(
      one, input: self.input.group, output: self.output.group,
      needsInputGradient: needsInputGradient, training: training, workspace: workspace)
    weightStep = (inner.weightCount + 15) / 16 * 16
    preparedStep = (inner.preparedCount + 15) / 16 * 16
    weightCount = shape.groups * weightStep
    preparedCount = shape.groups * preparedStep
  }

  /// Floats of one group's weights in `[K, C/G, R, S]`.
  private var canonicalStep: Int { shape.weightCount / shape.groups }

  func importWeights(
    _ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>
  ) {
    own.update(repeating: 0, count: weightCount)
    for index in 0..<shape.groups {
      inner.importWeights(canonical + index * canonicalStep, to: own + index * weightStep)
    }
  }

  func exportWeights(
    _ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<shape.groups {
      inner.exportWeights(own + index * weightStep, to: canonical + index * canonicalStep)
    }
  }

  func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
    for index in 0..<shape.groups {
      inner.prepare(weights + index * weightStep, into: prepared + index * preparedStep)
    }
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    self.output.clearPadding(output)
    for index in 0..<shape.groups {
      inner.forward(
        input: self.input.take(index, from: input), weights: weights + index * weightStep,
        prepared: prepared + index * preparedStep, output: self.output.copy.pointer)
      self.output.give(index, to: output)
    }
  }

  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
  ) {
    input.clearPadding(gradInput)
    for index in 0..<shape.groups {
      inner.backwardInput(
        gradOutput: output.take(index, from: gradOutput), weights: weights + index * weightStep,
        prepared: prepared + index * preparedStep, gradInput: input.copy.pointer)
      input.give(index, to: gradInput)
    }
  }

  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>
  ) {
    gradWeights.update(repeating: 0, count: weightCount)
    for index in 0..<shape.groups {
      inner.backwardWeights(
        input: self.input.take(index, from: input),
        gradOutput: output.take(index, from: gradOutput),
        gradWeights: gradWeights + index * weightStep)
    }
  }
}
