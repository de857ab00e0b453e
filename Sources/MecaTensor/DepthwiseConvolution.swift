import CMecaKernels

/// A convolution in which every channel has a kernel of its own: our loops, for both engines.
///
/// `output[n, c, i, j] = Σ weight[c, r, s] · input[n, c, i·stride + r − padding, …]`. Nothing is
/// shared between channels, so that there is no matrix product in it and memory sets the pace.
/// Sums of the first two directions take the kernel's points in order; those by weights are
/// `Float` for at most 63 terms and a row more, then `Double`.
/// - Shapes: both activations in blocks of the same size, weights `[R·R][C filled up to blocks]`.
/// - Source: Howard et al. 2017, arXiv:1704.04861, §3.1.
final class DepthwiseConvolution: PermutedWeights {
  let weightCount: Int
  let preparedCount = 0
  let kernelNames = [String](repeating: "depthwise rows v1", count: 3)

  private let shape: ConvolutionShape
  private let geometry: meca_depthwise
  private let workspace: Workspace
  private let paddedChannels: Int

  /// Plans all three directions for activations in blocks of `block` channels.
  init(_ shape: ConvolutionShape, block: Int, workspace: Workspace) {
    precondition(
      shape.groups == shape.inputChannels && shape.groups == shape.outputChannels, "\(shape)")
    self.shape = shape
    self.workspace = workspace
    let blocks = (shape.inputChannels + block - 1) / block
    paddedChannels = blocks * block
    weightCount = shape.kernel * shape.kernel * paddedChannels
    geometry = meca_depthwise(
      batch: Int64(shape.batch), blocks: Int64(blocks), block: Int64(block),
      height: Int64(shape.inputHeight), width: Int64(shape.inputWidth),
      out_height: Int64(shape.outputHeight), out_width: Int64(shape.outputWidth),
      kernel: Int64(shape.kernel), stride: Int64(shape.stride), padding: Int64(shape.padding))
    workspace.reserve(Int(meca_depthwise_work_floats(geometry)))
  }

  /// Visits every weight's place in `[C, 1, R, R]` and in `[R·R][channels]`.
  func forEachWeight(_ visit: (_ canonical: Int, _ own: Int) -> Void) {
    let points = shape.kernel * shape.kernel
    for channel in 0..<shape.inputChannels {
      for point in 0..<points {
        visit(channel * points + point, point * paddedChannels + channel)
      }
    }
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    meca_depthwise_forward(geometry, input, weights, output)
  }

  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
  ) {
    meca_depthwise_backward_input(geometry, gradOutput, weights, gradInput)
  }

  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>
  ) {
    meca_depthwise_backward_weights(
      geometry, input, gradOutput, gradWeights, workspace.pointer)
  }
}
