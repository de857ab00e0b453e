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
    let weightOrder: WeightOrder
    private let workspace: Workspace
    private let forwardPlan: OneDNNPrimitive
    private let backwardInputPlan: OneDNNPrimitive?
    private let backwardWeightsPlan: OneDNNPrimitive?
    private let preparations: [WeightPreparation]
    /// Where in the prepared block a direction's weights begin; nil where it reads the weights.
    private let forwardOffset: Int?
    private let backwardInputOffset: Int?
    /// Where in the workspace the blocked input gradient of a plain input begins.
    private let blockedGradientOffset: Int?
    private let blockedInput: ActivationLayout
    private let output: ActivationLayout
    /// Larger planes for the gradient by the weights, where they are needed.
    private let largerPlanes: ZeroExtension?
    /// Where in the workspace the extended planes begin.
    private let extendedOffset: Int

    var kernelNames: [String] {
      [forwardPlan, backwardInputPlan, backwardWeightsPlan].compactMap { $0?.implementation }
    }

    init(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      needsInputGradient: Bool, training: Bool, workspace: Workspace, engine: OneDNNEngine,
      mayExtendPlanes: Bool = true
    ) throws {
      self.shape = shape
      self.input = input
      self.output = output
      self.workspace = workspace
      // Generated kernels write input gradients in blocks only; a plain input gets a copy.
      let blockedInput = ActivationLayout(
        channels: input.channels, block: output.block, height: input.height, width: input.width)
      self.blockedInput = blockedInput

      var reference = shape
      reference.batch = Self.referenceBatch
      let extended =
        mayExtendPlanes
        ? try Self.neededExtension(reference, input: input, output: output, engine: engine) : nil
      largerPlanes = extended
      func request(
        _ shape: ConvolutionShape, _ direction: OneDNNDirection
      ) -> OneDNNRequest {
        if direction == .backwardWeights, let extended {
          var larger = extended.shape
          larger.batch = shape.batch
          return OneDNNRequest(
            shape: larger, direction: direction, input: extended.input, output: extended.output)
        }
        return OneDNNRequest(
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
      func plan(
        _ direction: OneDNNDirection, _ order: dnnl_memory_desc_t
      ) throws -> OneDNNPrimitive {
        var wanted = request(shape, direction)
        wanted.weights = order
        return try wanted.plan(engine: engine.handle)
      }
      forwardOffset = try offset(orders.forward, input)
      backwardInputOffset = try offset(orders.backwardInput, blockedInput)
      self.preparations = preparations
      preparedCount = prepared

      forwardPlan = try plan(.forward, orders.forward)
      backwardInputPlan =
        needsInputGradient ? try plan(.backwardInput, orders.backwardInput) : nil
      backwardWeightsPlan = training ? try plan(.backwardWeights, own) : nil

      let scratch =
        [forwardPlan, backwardInputPlan, backwardWeightsPlan].compactMap { $0?.scratchCount }.max()
        ?? 0
      // Directions do not run at the same time, so that their copies may share a place.
      let place = (scratch + 15) / 16 * 16
      var copies = 0
      if needsInputGradient, blockedInput != input {
        blockedGradientOffset = place
        copies = blockedInput.count(batch: shape.batch)
      } else {
        blockedGradientOffset = nil
      }
      extendedOffset = place
      if training, let extended {
        copies = max(
          copies,
          Self.wholeLines(extended.input.count(batch: shape.batch))
            + extended.output.count(batch: shape.batch))
      }
      workspaceCount = copies > 0 ? place + copies : scratch
      workspace.reserve(workspaceCount)
    }

    private static func wholeLines(_ floats: Int) -> Int { (floats + 15) / 16 * 16 }

    /// Larger planes, where the library has a generated kernel for their weights' gradient and none
    /// for that of the planes themselves.
    private static func neededExtension(
      _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
      engine: OneDNNEngine
    ) throws -> ZeroExtension? {
      guard let extended = ZeroExtension(shape, input: input, output: output) else { return nil }
      func isGenerated(
        _ shape: ConvolutionShape, _ input: ActivationLayout, _ output: ActivationLayout
      ) throws -> Bool {
        let request = OneDNNRequest(
          shape: shape, direction: .backwardWeights, input: input, output: output)
        return try request.planIfSupported(engine: engine.handle)?.implementation.contains("jit")
          ?? false
      }
      if try isGenerated(shape, input, output) { return nil }
      return try isGenerated(extended.shape, extended.input, extended.output) ? extended : nil
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
    }

    func forward(
      input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
      output: UnsafeMutablePointer<Float>
    ) {
      forwardPlan.run(
        source: input, weights: forwardOffset.map { prepared + $0 } ?? weights,
        destination: output, scratch: workspace.pointer)
    }

    func backwardInput(
      gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
      prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
    ) {
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
      guard let backwardWeightsPlan else { preconditionFailure("planned without training") }
      var (source, destination) = (input, gradOutput)
      if let largerPlanes {
        let batch = shape.batch
        let copy = workspace.pointer + extendedOffset
        let next = copy + Self.wholeLines(largerPlanes.input.count(batch: batch))
        ZeroExtension.copy(input, self.input, batch: batch, to: copy, largerPlanes.input)
        ZeroExtension.copy(gradOutput, output, batch: batch, to: next, largerPlanes.output)
        (source, destination) = (UnsafePointer(copy), UnsafePointer(next))
      }
      backwardWeightsPlan.run(
        source: source, weights: gradWeights, destination: destination,
        scratch: workspace.pointer)
    }
  }
#endif
