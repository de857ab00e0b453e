import MecaCore
import MecaTensor

/// The layers of a residual network, planned for one lane: images in, logits out, and back.
///
/// - Source: He et al. 2015, arXiv:1512.03385; the stem is that of §4.2 (3×3, stride 1).
final class ResidualNetwork {
  private let memory: LaneMemory
  private let image: AlignedStorage<Float>
  private let stem: NormalisedConvolution
  private let blocks: [ResidualBlock]
  private let pool: GlobalAveragePool
  private let dense: Dense
  /// Gradient of the pooled features.
  private let gradPooled: AlignedStorage<Float>
  private let inputGradient: Bool

  /// Plans all layers.
  init(memory: LaneMemory, inputGradient: Bool) throws {
    let plan = memory.model.plan
    self.memory = memory
    self.inputGradient = inputGradient
    image = AlignedStorage(count: plan.image.count(batch: memory.microbatch))
    stem = try NormalisedConvolution(
      plan.stem, memory: memory,
      output: memory.activation(plan.stem.convolution.output, shared: 0), relu: true,
      needsInputGradient: inputGradient)
    var blocks: [ResidualBlock] = []
    for site in plan.blocks {
      blocks.append(
        try ResidualBlock(site, memory: memory, inputIndex: blocks.last?.outputIndex ?? 0))
    }
    self.blocks = blocks
    pool = GlobalAveragePool(plan.features, microbatch: memory.microbatch)
    dense = Dense(plan.dense, model: memory.model, microbatch: memory.microbatch)
    gradPooled = AlignedStorage(count: memory.backward ? pool.output.count : 0)
  }

  /// Computes the logits.
  ///
  /// - Shapes: `images` `[N, 3, H, W]`, `logits` `[N, classes]`.
  /// - Units: `images` in [0, 1]; normalised here.
  func forward(
    images: UnsafePointer<Float>, logits: UnsafeMutablePointer<Float>, _ pass: Pass
  ) {
    let model = memory.model
    loadImages(
      model.plan.image, batch: memory.microbatch, raw: images, mean: model.imageMean.pointer,
      inverseDeviation: model.imageInverseDeviation.pointer, output: image.pointer)
    stem.convolve(image.pointer)
    stem.normalise(residual: nil, pass)
    var activation = stem.output
    for block in blocks {
      block.forward(activation.pointer, pass)
      activation = block.output
    }
    pool.forward(activation.pointer)
    dense.forward(pool.output.pointer, output: logits)
  }

  /// Computes the gradients of what `gradLogits` is the gradient of.
  ///
  /// - Parameter imageGradient: receives the gradient by raw pixels, `[N, 3, H, W]`; only in lanes
  ///   that were planned with it, otherwise left alone.
  /// - Parameter produced: called with the first place from which on the gradient by the parameters
  ///   is complete.
  func backward(
    gradLogits: UnsafePointer<Float>, imageGradient: UnsafeMutablePointer<Float>, _ pass: Pass,
    produced: ((Int) -> Void)? = nil
  ) {
    let plan = memory.model.plan
    var buffers = GradientBuffers(
      current: memory.gradients[0].pointer, spare: memory.gradients[1].pointer,
      other: memory.gradients[2].pointer)
    dense.backward(
      input: pool.output.pointer, gradOutput: gradLogits, gradInput: gradPooled.pointer, pass)
    produced?(plan.dense.weights.lowerBound)
    pool.backward(gradOutput: gradPooled.pointer, gradInput: buffers.current)
    for index in blocks.indices.reversed() {
      let input = index == 0 ? stem.output : blocks[index - 1].output
      blocks[index].backward(input.pointer, &buffers, pass)
      produced?(plan.blocks[index].first.convolution.weights.lowerBound)
    }
    stem.backwardNormalise(
      gradOutput: buffers.current, gradConvolved: buffers.other, gradResidual: nil, pass)
    stem.backwardConvolve(
      input: image.pointer, gradConvolved: buffers.other,
      gradInput: inputGradient ? buffers.spare : nil, pass)
    produced?(plan.stem.convolution.weights.lowerBound)
    if inputGradient {
      let model = memory.model
      unloadImageGradient(
        model.plan.image, batch: memory.microbatch, gradient: buffers.spare,
        inverseDeviation: model.imageInverseDeviation.pointer, rawGradient: imageGradient)
    }
  }
}
