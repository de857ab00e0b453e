#if MECA_ONEDNN
  import COneDNN
  import MecaCore

  /// The three directions of one convolution on oneDNN.
  ///
  /// Weights live in the order that the weight gradient is produced in, so that the optimizer is one
  /// flat loop. Directions that want another order find it in the prepared block. All orders are
  /// asked for at one reference batch, so that objects of different batches share the two blocks.
  final class OneDNNConvolution: Convolution {
    /// Batch at which the orders of weights are chosen.
    static let referenceBatch = 16

    let weightCount: Int
    let preparedCount: Int
    /// Floats that the directions use from the beginning of the workspace.
    let workspaceCount: Int

    private let shape: ConvolutionShape
    private let input: ActivationLayout
    private let weightOrder: WeightOrder
    private let workspace: Workspace
    /// oneDNN's kernels; those of the directions that Winograd computes are missing.
    private let forwardPlan: OneDNNPrimitive?
    private let backwardInputPlan: OneDNNPrimitive?
    private let backwardWeightsPlan: OneDNNPrimitive?
    private let preparations: [WeightPreparation]
    /// Where in the prepared block a direction's weights begin; nil where it reads the weights.
    private let forwardOffset: Int?
    private let backwardInputOffset: Int?
    /// Where in the workspace the blocked input gradient of a plain input begins.
    private let blockedGradientOffset: Int?
    private let blockedInput: ActivationLayout
    /// Our Winograd and where its weights begin in the prepared block; nil where no batch uses it.
    private let winograd: (convolution: WinogradConvolution, offset: Int)?
    /// Whether this batch uses it.
    private let usesWinograd: Bool
    private let needsInputGradient: Bool
    private let isTraining: Bool

    var kernelNames: [String] {
      if usesWinograd {
        return [String](
          repeating: WinogradConvolution.name,
          count: 1 + (needsInputGradient ? 1 : 0) + (isTraining ? 1 : 0))
      }
      return [forwardPlan, backwardInputPlan, backwardWeightsPlan].compactMap { $0?.implementation }
    }

    init(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      needsInputGradient: Bool, training: Bool, workspace: Workspace, engine: OneDNNEngine
    ) throws {
      self.shape = shape
      self.input = input
      self.workspace = workspace
      self.needsInputGradient = needsInputGradient
      isTraining = training
      // Generated kernels write input gradients in blocks only; a plain input gets a copy.
      let blockedInput = ActivationLayout(
        channels: input.channels, block: output.block, height: input.height, width: input.width)
      self.blockedInput = blockedInput

      var reference = shape
      reference.batch = Self.referenceBatch
      func request(
        _ shape: ConvolutionShape, _ direction: OneDNNDirection
      ) -> OneDNNRequest {
        OneDNNRequest(
          shape: shape, direction: direction,
          input: direction == .backwardInput ? blockedInput : input, output: output)
      }
      func chosenOrder(_ direction: OneDNNDirection) throws -> dnnl_memory_desc_t {
        try request(reference, direction).plan(engine: engine.handle).weights
      }
      let own = try chosenOrder(.backwardWeights)
      let orders = (
        forward: try chosenOrder(.forward), backwardInput: try chosenOrder(.backwardInput)
      )
      let ownOrder = try WeightOrder(
        shape: shape, input: input, output: output, order: own, engine: engine.handle)
      weightOrder = ownOrder
      weightCount = ownOrder.count

      var preparations: [WeightPreparation] = []
      var prepared = 0
      func offset(_ order: dnnl_memory_desc_t, _ layout: ActivationLayout) throws -> Int? {
        var order = order
        var own = own
        if dnnl_memory_desc_equal(&order, &own) == 1 { return nil }
        let place = prepared
        let target = try WeightOrder(
          shape: shape, input: layout, output: output, order: order, engine: engine.handle)
        preparations.append(
          try WeightPreparation(
            from: ownOrder, to: target, offset: place, engine: engine.handle))
        prepared += (target.count + 15) / 16 * 16
        return place
      }
      /// oneDNN's Winograd reads and writes the weights' own order; direct kernels the one chosen above.
      func plan(
        _ direction: OneDNNDirection, _ order: dnnl_memory_desc_t, offset: Int?
      ) throws -> (OneDNNPrimitive, offset: Int?) {
        var wanted = request(shape, direction)
        if engine.hasWinograd, Self.prefersWinograd(shape) {
          wanted.winograd = true
          wanted.weights = own
          if let plan = try wanted.planIfSupported(engine: engine.handle) { return (plan, nil) }
          wanted.winograd = false
        }
        wanted.weights = order
        return (try wanted.plan(engine: engine.handle), offset)
      }
      let forwardDirect = try offset(orders.forward, input)
      let backwardInputDirect = try offset(orders.backwardInput, blockedInput)
      self.preparations = preparations

      // The place is kept at any batch, since lanes share the block; the choice is this batch's.
      if !engine.hasWinograd, WinogradConvolution.isEligible(shape, input: input, output: output),
        ownOrder.hasOrder(dnnl_OIhw8i8o)
      {
        let convolution = WinogradConvolution(shape, input: input, output: output)
        winograd = (convolution, prepared)
        preparedCount = prepared + convolution.preparedCount
        usesWinograd = WinogradConvolution.isFaster(shape)
        if usesWinograd {
          (forwardPlan, backwardInputPlan, backwardWeightsPlan) = (nil, nil, nil)
          (forwardOffset, backwardInputOffset, blockedGradientOffset) = (nil, nil, nil)
          workspaceCount = convolution.workspaceCount(training: training)
          workspace.reserve(workspaceCount)
          return
        }
      } else {
        winograd = nil
        preparedCount = prepared
        usesWinograd = false
      }

      (forwardPlan, forwardOffset) = try plan(.forward, orders.forward, offset: forwardDirect)
      if needsInputGradient {
        let planned = try plan(.backwardInput, orders.backwardInput, offset: backwardInputDirect)
        (backwardInputPlan, backwardInputOffset) = (planned.0, planned.offset)
      } else {
        (backwardInputPlan, backwardInputOffset) = (nil, nil)
      }
      backwardWeightsPlan =
        training ? try plan(.backwardWeights, own, offset: nil).0 : nil

      let scratch =
        [forwardPlan, backwardInputPlan, backwardWeightsPlan].compactMap { $0?.scratchCount }.max()
        ?? 0
      if needsInputGradient, blockedInput != input {
        let place = (scratch + 15) / 16 * 16
        blockedGradientOffset = place
        workspaceCount = place + blockedInput.count(batch: shape.batch)
      } else {
        blockedGradientOffset = nil
        workspaceCount = scratch
      }
      workspace.reserve(workspaceCount)
    }

    /// Whether oneDNN's Winograd F(4x4, 3x3) beats the direct kernels, by the shape alone.
    ///
    /// Measured with AVX-512 on ResNet-18: it wins from 32 channels on, as long as there are enough
    /// 4x4 tiles to spread the weights' transformation over (64 at 8x8 and batch 16: faster; 16 at
    /// 4x4 and batch 16: slower). A timing would let ranks choose differently and lose equal bits.
    static func prefersWinograd(_ shape: ConvolutionShape) -> Bool {
      let tiles = shape.batch * ((shape.outputHeight + 3) / 4) * ((shape.outputWidth + 3) / 4)
      return shape.kernel == 3 && shape.stride == 1 && shape.padding == 1
        && min(shape.inputChannels, shape.outputChannels) >= 32 && tiles >= 48
    }

    func importWeights(
      _ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>
    ) {
      weightOrder.importWeights(canonical, to: own)
    }

    func exportWeights(
      _ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>
    ) {
      weightOrder.exportWeights(own, to: canonical)
    }

    func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
      for preparation in preparations { preparation.run(weights, prepared) }
      if let winograd { winograd.convolution.prepare(weights, into: prepared + winograd.offset) }
    }

    func forward(
      input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
      output: UnsafeMutablePointer<Float>
    ) {
      if usesWinograd, let winograd {
        winograd.convolution.forward(
          input: input, prepared: prepared + winograd.offset, output: output,
          work: workspace.pointer)
        return
      }
      guard let forwardPlan else { preconditionFailure("no kernel planned") }
      forwardPlan.run(
        source: input, weights: forwardOffset.map { prepared + $0 } ?? weights,
        destination: output, scratch: workspace.pointer)
    }

    func backwardInput(
      gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
      prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
    ) {
      if usesWinograd, let winograd {
        winograd.convolution.backwardInput(
          gradOutput: gradOutput, prepared: prepared + winograd.offset, gradInput: gradInput,
          work: workspace.pointer)
        return
      }
      guard let backwardInputPlan else {
        preconditionFailure("planned without needsInputGradient")
      }
      let target = blockedGradientOffset.map { workspace.pointer + $0 } ?? gradInput
      backwardInputPlan.run(
        source: target, weights: backwardInputOffset.map { prepared + $0 } ?? weights,
        destination: gradOutput, scratch: workspace.pointer)
      if blockedGradientOffset != nil {
        unpack(blockedInput, batch: shape.batch, target, toNCHW: gradInput)
      }
    }

    func backwardWeights(
      input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
      gradWeights: UnsafeMutablePointer<Float>
    ) {
      if usesWinograd, let winograd {
        precondition(isTraining, "planned without training")
        winograd.convolution.backwardWeights(
          input: input, gradOutput: gradOutput, gradWeights: gradWeights,
          work: workspace.pointer)
        return
      }
      guard let backwardWeightsPlan else { preconditionFailure("planned without training") }
      backwardWeightsPlan.run(
        source: input, weights: gradWeights, destination: gradOutput, scratch: workspace.pointer)
    }
  }
#endif
