#if MECA_ONEDNN
  /// A convolution between layers of narrow and of wide blocks, in narrow ones.
  ///
  /// All kernels want one size on both sides. The wide side is copied on the way in and on the
  /// way out; where a network gets wider it also gets smaller, so that side has fewer values.
  final class ReblockedConvolution: Convolution {
    private let batch: Int
    private let inner: any Convolution
    private let input: Side
    private let output: Side
    private let workspace: Workspace

    /// Activations of one side, as the layers have them and as the kernels want them.
    private struct Side {
      let layout: ActivationLayout
      let narrow: ActivationLayout
      /// Where the narrow copy begins in the workspace.
      let offset: Int
      var isCopied: Bool { layout != narrow }
    }

    var weightCount: Int { inner.weightCount }
    var preparedCount: Int { inner.preparedCount }
    var kernelNames: [String] { inner.kernelNames }

    init(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      needsInputGradient: Bool, training: Bool, workspace: Workspace, engine: OneDNNEngine
    ) throws {
      let block = min(input.block, output.block)
      var (narrowInput, narrowOutput) = (input, output)
      (narrowInput.block, narrowOutput.block) = (block, block)
      let innerWorkspaceCount: Int
      if WinogradConvolution.suits(shape, input: narrowInput, output: narrowOutput) {
        let winograd = WinogradConvolution(
          shape, input: narrowInput, output: narrowOutput, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace)
        (inner, innerWorkspaceCount) = (winograd, winograd.workspaceCount)
      } else if PointwiseConvolution.suits(shape, input: narrowInput, output: narrowOutput) {
        let pointwise = PointwiseConvolution(
          shape, input: narrowInput, output: narrowOutput, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace)
        (inner, innerWorkspaceCount) = (pointwise, pointwise.workspaceCount)
      } else {
        let direct = try OneDNNConvolution(
          shape, input: narrowInput, output: narrowOutput, needsInputGradient: needsInputGradient,
          training: training, workspace: workspace, engine: engine)
        (inner, innerWorkspaceCount) = (direct, direct.workspaceCount)
      }
      batch = shape.batch
      self.workspace = workspace
      let start = (innerWorkspaceCount + 15) / 16 * 16
      self.input = Side(layout: input, narrow: narrowInput, offset: start)
      let next = start + (self.input.isCopied ? narrowInput.count(batch: batch) : 0)
      self.output = Side(layout: output, narrow: narrowOutput, offset: next)
      workspace.reserve(next + (self.output.isCopied ? narrowOutput.count(batch: batch) : 0))
    }

    func importWeights(
      _ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>
    ) {
      inner.importWeights(canonical, to: own)
    }

    func exportWeights(
      _ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>
    ) {
      inner.exportWeights(own, to: canonical)
    }

    func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
      inner.prepare(weights, into: prepared)
    }

    func forward(
      input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
      output: UnsafeMutablePointer<Float>
    ) {
      writing(self.output, output) { narrowOutput in
        inner.forward(
          input: narrow(self.input, input), weights: weights, prepared: prepared,
          output: narrowOutput)
      }
    }

    func backwardInput(
      gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
      prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
    ) {
      writing(input, gradInput) { narrowGradient in
        inner.backwardInput(
          gradOutput: narrow(output, gradOutput), weights: weights, prepared: prepared,
          gradInput: narrowGradient)
      }
    }

    func backwardWeights(
      input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
      gradWeights: UnsafeMutablePointer<Float>
    ) {
      inner.backwardWeights(
        input: narrow(self.input, input), gradOutput: narrow(output, gradOutput),
        gradWeights: gradWeights)
    }

    /// The values of one side as the kernels want them.
    private func narrow(
      _ side: Side, _ values: UnsafePointer<Float>
    ) -> UnsafePointer<Float> {
      guard side.isCopied else { return values }
      let copy = workspace.pointer + side.offset
      reblock(side.layout, batch: batch, values, to: side.narrow, copy)
      return UnsafePointer(copy)
    }

    /// Lets `body` write one side's values as the kernels do and copies them to `target`.
    private func writing(
      _ side: Side, _ target: UnsafeMutablePointer<Float>,
      _ body: (UnsafeMutablePointer<Float>) -> Void
    ) {
      guard side.isCopied else { return body(target) }
      let copy = workspace.pointer + side.offset
      body(copy)
      reblock(side.narrow, batch: batch, copy, to: side.layout, target)
    }
  }
#endif
