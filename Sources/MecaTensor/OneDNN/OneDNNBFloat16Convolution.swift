#if MECA_ONEDNN
  import CMecaKernels
  import COneDNN

  /// A convolution whose training multiplies bfloat16 operands; evaluation multiplies fp32.
  ///
  /// Weights and results are fp32, so that the optimiser, the normalisation and sums over
  /// microbatches see nothing of it. Operands are rounded on the way in: weights once an update,
  /// activations in each direction, into the workspace, which takes less time than another
  /// activation a layer would take memory.
  final class OneDNNBFloat16Convolution: Convolution {
    private let exact: OneDNNConvolution
    private let shape: ConvolutionShape
    private let workspace: Workspace
    private let inputCount: Int
    private let outputCount: Int
    private let forwardWeights: RoundedWeights
    private let backwardWeights: RoundedWeights
    /// Plans of a training lane; nil in others.
    private let kernels: Kernels?

    private struct Kernels {
      let forward: OneDNNPrimitive
      let byInput: OneDNNPrimitive?
      let byWeights: OneDNNPrimitive
      /// Where the rounded operands begin in the workspace, in floats.
      let input: Int
      let output: Int
    }

    var weightCount: Int { exact.weightCount }
    var preparedCount: Int { backwardWeights.offset + backwardWeights.floats }
    var kernelNames: [String] {
      guard let kernels else { return exact.kernelNames }
      return [kernels.forward, kernels.byInput, kernels.byWeights].compactMap {
        $0.map { "bf16 \($0.implementation)" }
      }
    }

    /// Whether oneDNN has generated kernels for it: whole blocks of 16 channels on both sides.
    static func suits(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout
    ) -> Bool {
      shape.groups == 1 && input.block == 16 && output.block == 16
    }

    init(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      needsInputGradient: Bool, training: Bool, workspace: Workspace, engine: OneDNNEngine
    ) throws {
      self.shape = shape
      self.workspace = workspace
      exact = try OneDNNConvolution(
        shape, input: input, output: output, needsInputGradient: needsInputGradient && !training,
        training: false, workspace: workspace, engine: engine, mayExtendPlanes: false)
      inputCount = input.count(batch: shape.batch)
      outputCount = output.count(batch: shape.batch)

      func plan(
        _ direction: OneDNNDirection, batch: Int, weights: dnnl_memory_desc_t? = nil
      ) throws -> OneDNNPrimitive {
        var shape = shape
        shape.batch = batch
        var request = OneDNNRequest(
          shape: shape, direction: direction, input: input, output: output)
        request.operands = dnnl_bf16
        request.weights = weights
        return try request.plan(engine: engine.handle)
      }
      // As in `OneDNNConvolution`, every batch shares the orders of one.
      let reference = OneDNNConvolution.referenceBatch
      forwardWeights = try RoundedWeights(
        from: exact.weightOrder, to: plan(.forward, batch: reference).weights,
        offset: (exact.preparedCount + 15) / 16 * 16, engine: engine.handle)
      backwardWeights = try RoundedWeights(
        from: exact.weightOrder, to: plan(.backwardInput, batch: reference).weights,
        offset: forwardWeights.offset + forwardWeights.floats, engine: engine.handle)
      guard training else {
        kernels = nil
        return
      }
      let forward = try plan(.forward, batch: shape.batch, weights: forwardWeights.order)
      let byInput =
        needsInputGradient
        ? try plan(.backwardInput, batch: shape.batch, weights: backwardWeights.order) : nil
      let byWeights = try plan(
        .backwardWeights, batch: shape.batch, weights: exact.weightOrder.order)
      let scratch = [forward, byInput, byWeights].compactMap { $0?.scratchCount }.max() ?? 0
      let place = (scratch + 15) / 16 * 16
      let next = place + (inputCount / 2 + 15) / 16 * 16
      kernels = Kernels(
        forward: forward, byInput: byInput, byWeights: byWeights, input: place, output: next)
      workspace.reserve(next + (outputCount + 1) / 2)
    }

    func importWeights(
      _ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>
    ) {
      exact.importWeights(canonical, to: own)
    }

    func exportWeights(
      _ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>
    ) {
      exact.exportWeights(own, to: canonical)
    }

    func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
      exact.prepare(weights, into: prepared)
      forwardWeights.prepare(weights, into: prepared)
      backwardWeights.prepare(weights, into: prepared)
    }

    func forward(
      input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
      output: UnsafeMutablePointer<Float>
    ) {
      guard let kernels else {
        return exact.forward(input: input, weights: weights, prepared: prepared, output: output)
      }
      kernels.forward.run(
        source: rounded(input, inputCount, at: kernels.input),
        weights: prepared + forwardWeights.offset, destination: output, scratch: workspace.pointer)
    }

    func backwardInput(
      gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
      prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
    ) {
      guard let kernels else {
        return exact.backwardInput(
          gradOutput: gradOutput, weights: weights, prepared: prepared, gradInput: gradInput)
      }
      guard let byInput = kernels.byInput else {
        preconditionFailure("planned without needsInputGradient")
      }
      byInput.run(
        source: gradInput, weights: prepared + backwardWeights.offset,
        destination: rounded(gradOutput, outputCount, at: kernels.output),
        scratch: workspace.pointer)
    }

    func backwardWeights(
      input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
      gradWeights: UnsafeMutablePointer<Float>
    ) {
      guard let kernels else { preconditionFailure("planned without training") }
      kernels.byWeights.run(
        source: rounded(input, inputCount, at: kernels.input), weights: gradWeights,
        destination: rounded(gradOutput, outputCount, at: kernels.output),
        scratch: workspace.pointer)
    }

    private func rounded(
      _ values: UnsafePointer<Float>, _ count: Int, at offset: Int
    ) -> UnsafeRawPointer {
      let target = UnsafeMutableRawPointer(workspace.pointer + offset)
      meca_to_bfloat16(
        Int64(count), values, target.assumingMemoryBound(to: UInt16.self))
      return UnsafeRawPointer(target)
    }
  }

  /// One direction's weights in bfloat16, at a place of the prepared block.
  private struct RoundedWeights {
    let order: dnnl_memory_desc_t
    let offset: Int
    /// Floats that they take, in whole cache lines.
    let floats: Int
    private let reorder: OneDNNReorder

    init(
      from own: WeightOrder, to order: dnnl_memory_desc_t, offset: Int, engine: dnnl_engine_t
    ) throws {
      self.order = order
      self.offset = offset
      var copy = order
      floats = (dnnl_memory_desc_get_size(&copy) / 4 + 15) / 16 * 16
      reorder = try OneDNNReorder(from: own.order, to: order, engine: engine)
    }

    func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
      reorder.run(from: weights, to: prepared + offset)
    }
  }
#endif
