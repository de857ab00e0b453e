import CMecaKernels

/// A convolution whose training rounds its operands to bfloat16 and computes in fp32: for engines
/// without kernels for it, which get its numbers but not its speed.
///
/// Products of two bfloat16 numbers are exact in fp32, so that this is what such kernels compute, but
/// for the order of the sums. Evaluation multiplies fp32.
final class RoundedConvolution: Convolution {
  private let inner: any Convolution
  private let workspace: Workspace
  private let training: Bool
  private let inputCount: Int
  private let outputCount: Int
  /// Where rounded activations begin in the workspace.
  private let scratch: Int

  var weightCount: Int { inner.weightCount }
  /// The exact weights' derived ones, the rounded weights, and theirs.
  var preparedCount: Int {
    roundedOffset + Self.lines(weightCount) + Self.lines(inner.preparedCount)
  }
  var kernelNames: [String] { inner.kernelNames.map { training ? "rounded, \($0)" : $0 } }

  private var roundedOffset: Int { Self.lines(inner.preparedCount) }
  private var roundedPreparedOffset: Int { roundedOffset + Self.lines(weightCount) }
  private static func lines(_ floats: Int) -> Int { (floats + 15) / 16 * 16 }

  /// Wraps what `make` plans for a workspace; it is called twice, the first time to learn its need.
  init(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout, training: Bool,
    workspace: Workspace, make: (Workspace) throws -> any Convolution
  ) rethrows {
    let own = Workspace()
    _ = try make(own)
    inner = try make(workspace)
    self.workspace = workspace
    self.training = training
    inputCount = input.count(batch: shape.batch)
    outputCount = output.count(batch: shape.batch)
    scratch = Self.lines(own.count)
    if training {
      workspace.reserve(scratch + Self.lines(inputCount) + Self.lines(outputCount))
    }
  }

  func importWeights(_ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>) {
    inner.importWeights(canonical, to: own)
  }

  func exportWeights(_ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>) {
    inner.exportWeights(own, to: canonical)
  }

  func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
    inner.prepare(weights, into: prepared)
    meca_round_to_bfloat16(Int64(weightCount), weights, prepared + roundedOffset)
    inner.prepare(prepared + roundedOffset, into: prepared + roundedPreparedOffset)
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    inner.forward(
      input: training ? rounded(input, inputCount, at: scratch) : input,
      weights: training ? prepared + roundedOffset : weights,
      prepared: training ? prepared + roundedPreparedOffset : prepared, output: output)
  }

  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
  ) {
    inner.backwardInput(
      gradOutput: training ? rounded(gradOutput, outputCount, at: scratch) : gradOutput,
      weights: training ? prepared + roundedOffset : weights,
      prepared: training ? prepared + roundedPreparedOffset : prepared, gradInput: gradInput)
  }

  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>
  ) {
    precondition(training, "planned without training")
    inner.backwardWeights(
      input: rounded(input, inputCount, at: scratch),
      gradOutput: rounded(gradOutput, outputCount, at: scratch + Self.lines(inputCount)),
      gradWeights: gradWeights)
  }

  private func rounded(
    _ values: UnsafePointer<Float>, _ count: Int, at offset: Int
  ) -> UnsafePointer<Float> {
    let target = workspace.pointer + offset
    meca_round_to_bfloat16(Int64(count), values, target)
    return UnsafePointer(target)
  }
}
