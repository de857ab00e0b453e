import MecaCore
import MecaTensor

/// One block of a network, planned for one lane.
protocol Block: AnyObject {
  /// Result of the last forward pass.
  var output: AlignedStorage<Float> { get }
  /// Which shared buffer `output` is, in lanes that only evaluate.
  var outputIndex: Int { get }

  /// Computes `output` from x.
  func forward(_ x: UnsafePointer<Float>, _ pass: Pass)
  /// Turns the gradient of `output` in `buffers.current` into that of x.
  func backward(_ x: UnsafePointer<Float>, _ buffers: inout GradientBuffers, _ pass: Pass)
}

/// The layers of a residual network, planned for one lane: images in, logits out, and back.
final class ResidualNetwork {
  private let memory: LaneMemory
  private let image: AlignedStorage<Float>
  private let stem: NormalisedConvolution
  private let stemPool: MaxPool?
  private let blocks: [any Block]
  /// Where each block's parameters begin.
  private let blockStarts: [Int]
  private let head: NormalisedConvolution?
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
      output: memory.activation(plan.stem.convolution.output, shared: 0),
      needsInputGradient: inputGradient)
    stemPool = plan.stemPooling.map {
      MaxPool($0, memory: memory, output: memory.activation($0.output, shared: 1))
    }
    var (blocks, index): ([any Block], Int) = ([], stemPool == nil ? 0 : 1)
    for site in plan.blocks {
      let block = try site.makeBlock(memory: memory, inputIndex: index)
      index = block.outputIndex
      blocks.append(block)
    }
    self.blocks = blocks
    blockStarts = plan.blocks.map { $0.convolutions[0].convolution.weights.lowerBound }
    let free = (index + 1) % 3
    head = try plan.head.map {
      try NormalisedConvolution(
        $0, memory: memory, output: memory.activation($0.convolution.output, shared: free),
        needsInputGradient: memory.backward)
    }
    pool = GlobalAveragePool(plan.features, microbatch: memory.microbatch)
    dense = Dense(plan.dense, model: memory.model, microbatch: memory.microbatch)
    gradPooled = AlignedStorage(count: memory.backward ? pool.output.count : 0)
  }

  /// What the blocks begin with.
  private var stemOutput: AlignedStorage<Float> { stemPool?.output ?? stem.output }

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
    stem.forward(image.pointer, pass)
    stemPool?.forward(stem.output.pointer)
    var activation = stemOutput
    for block in blocks {
      block.forward(activation.pointer, pass)
      activation = block.output
    }
    if let head {
      head.forward(activation.pointer, pass)
      activation = head.output
    }
    pool.forward(activation.pointer)
    dense.forward(pool.output.pointer, output: logits)
  }

  /// Computes the gradients of what `gradLogits` is the gradient of.
  ///
  /// - Parameters:
  ///   - imageGradient: receives the gradient by raw pixels, `[N, 3, H, W]`; only in lanes that were
  ///     planned with it, otherwise left alone.
  ///   - produced: called with the first place from which on the gradient by the parameters
  ///     is complete.
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
    if let head {
      head.backward(
        (blocks.last?.output ?? stemOutput).pointer, gradOutput: buffers.current,
        scratch: buffers.current, gradInput: buffers.other, pass)
      swap(&buffers.current, &buffers.other)
      if let head = plan.head { produced?(head.convolution.weights.lowerBound) }
    }
    for index in blocks.indices.reversed() {
      let input = index == 0 ? stemOutput : blocks[index - 1].output
      blocks[index].backward(input.pointer, &buffers, pass)
      produced?(blockStarts[index])
    }
    if let stemPool {
      stemPool.backward(gradOutput: buffers.current, gradInput: buffers.spare)
      swap(&buffers.current, &buffers.spare)
    }
    stem.backward(
      image.pointer, gradOutput: buffers.current, scratch: buffers.current,
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
