import COpenBLAS

/// OpenBLAS on one core: channels-last activations, im2col and matrix products.
final class OpenBLASEngine: Engine {
  let kind = EngineKind.openblas
  let fingerprint: String
  let precision: Precision

  init(precision: Precision) {
    self.precision = precision
    openblas_set_num_threads(1)
    // The core type decides which kernels run; the configuration text holds the version.
    fingerprint =
      "OpenBLAS core \(OpenBLASCoreType.current) (\(OpenBLASCoreType.configuration))"
      + (precision == .bf16 ? " bf16" : "")
  }

  /// OpenBLAS keeps its thread count per process.
  func enterThread() {}

  func activationLayout(channels: Int, height: Int, width: Int) -> ActivationLayout {
    ActivationLayout(channels: channels, block: channels, height: height, width: width)
  }

  func imageLayout(
    height: Int, width: Int, channels: Int, kernel: Int, stride: Int
  ) -> ActivationLayout {
    activationLayout(channels: channels, height: height, width: width)
  }

  func makeConvolution(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
    needsInputGradient: Bool, training: Bool, workspace: Workspace
  ) throws -> any Convolution {
    requireMatch(shape, input: input, output: output)
    precondition(
      input.blocks == 1 && input.block == input.channels && output.blocks == 1
        && output.block == output.channels,
      "blocks of \(input.block) and \(output.block) channels, this engine wants all "
        + "\(input.channels) and \(output.channels) in one")
    if shape.isDepthwise {
      return DepthwiseConvolution(shape, block: input.block, workspace: workspace)
    }
    if shape.groups > 1 {
      return try GroupedConvolution(
        shape, input: input, output: output, needsInputGradient: needsInputGradient,
        training: training, workspace: workspace, engine: self)
    }
    guard precision == .bf16 else { return OpenBLASConvolution(shape, workspace: workspace) }
    return RoundedConvolution(
      shape, input: input, output: output, training: training, workspace: workspace
    ) { OpenBLASConvolution(shape, workspace: $0) }
  }
}
