import MecaCore
import MecaTensor

/// One thread's planned memory for one microbatch size of a model.
///
/// Nothing is allocated after `init`. A lane is used by one thread at a time; several lanes of one
/// model may run at once. Samples never see each other in evaluation: the logits of an image are the
/// same bits whatever else is in the microbatch.
/// - Ranks: local.
public final class Lane: @unchecked Sendable {
  /// The model whose weights this lane reads.
  public let model: Model
  /// Number of samples of a pass.
  public let microbatch: Int
  /// Input, filled by the caller: `[microbatch, 3, H, W]`, raw pixels in [0, 1].
  public let images: AlignedStorage<Float>
  /// Output of the network: `[microbatch, classCount]`.
  public let logits: AlignedStorage<Float>
  /// Cross-entropy of each sample after `train` and `inferWithInputGradient`, uncapped.
  public let losses: AlignedStorage<Float>
  /// Class with the largest logit of each sample; the first of several.
  public let predictions: AlignedStorage<Int32>
  /// Gradient by raw pixels, `[microbatch, 3, H, W]`; empty in lanes without input gradient.
  public let imageGradient: AlignedStorage<Float>

  private let network: ResidualNetwork
  private let gradLogits: AlignedStorage<Float>
  private let isTraining: Bool

  /// Plans a lane.
  ///
  /// - Parameters:
  ///   - microbatch: samples of a pass, at least 1.
  ///   - training: whether `train` will be called; needs about twice the memory of all activations.
  ///   - inputGradient: whether `inferWithInputGradient` will be called, or `train` shall fill
  ///     `imageGradient`.
  ///   - profile: gathers where the time goes; nil measures nothing.
  /// - Throws: `EngineError` where the engine refuses a shape.
  public init(
    model: Model, microbatch: Int, training: Bool, inputGradient: Bool,
    profile: LaneProfile? = nil
  ) throws {
    precondition(microbatch >= 1, "microbatch of \(microbatch)")
    model.engine.enterThread()
    self.model = model
    self.microbatch = microbatch
    isTraining = training
    let imageCount = microbatch * model.configuration.imageCount
    images = AlignedStorage(count: imageCount)
    imageGradient = AlignedStorage(count: inputGradient ? imageCount : 0)
    logits = AlignedStorage(count: microbatch * model.configuration.classCount)
    gradLogits = AlignedStorage(count: logits.count)
    losses = AlignedStorage(count: microbatch)
    predictions = AlignedStorage(count: microbatch)
    network = try ResidualNetwork(
      memory: LaneMemory(
        model: model, microbatch: microbatch, training: training, inputGradient: inputGradient,
        profile: profile),
      inputGradient: inputGradient)
  }

  /// Forward and backward pass of `images` in training mode.
  ///
  /// Normalises by the statistics of this microbatch alone. Fills `logits`, `losses`, `predictions`,
  /// and `imageGradient` in lanes that have one.
  /// - Parameters:
  ///   - objectives: one for each sample.
  ///   - reduction: overwritten, `model.reductionCount` floats: the gradient of Σ loss laid out like
  ///     `model.parameters`, then the batch's means and unbiased variances laid out like
  ///     `model.statistics`.
  ///   - produced: called in the backward pass whenever a piece of the gradient is complete, with
  ///     the first place from which on it is; from the end down to 0. The statistics are complete
  ///     then, but still read: they are to be left alone until `train` returns.
  public func train(
    _ objectives: UnsafeBufferPointer<SampleObjective>, reduction: UnsafeMutablePointer<Float>,
    produced: ((Int) -> Void)? = nil
  ) {
    precondition(isTraining, "this lane was planned without training")
    precondition(
      objectives.count == microbatch, "\(objectives.count) objectives for \(microbatch) samples")
    model.engine.enterThread()
    for gap in model.plan.gaps {
      (reduction + gap.lowerBound).update(repeating: 0, count: gap.count)
    }
    let pass = Pass.training(
      TrainingResult(gradients: reduction, statistics: reduction + model.parameters.count))
    network.forward(images: images.pointer, logits: logits.pointer, pass)
    for sample in 0..<microbatch { judge(sample, objectives[sample]) }
    network.backward(
      gradLogits: gradLogits.pointer, imageGradient: imageGradient.pointer, pass,
      produced: produced)
  }

  /// Forward pass of `images` by the running statistics; fills `logits` and `predictions`.
  public func infer() {
    requireExactOperands()
    model.engine.enterThread()
    network.forward(images: images.pointer, logits: logits.pointer, .evaluation)
    let classes = model.configuration.classCount
    for sample in 0..<microbatch {
      predictions.pointer[sample] = Int32(
        predictedClass(logits.pointer + sample * classes, classes: classes))
    }
  }

  /// Forward pass by the running statistics, and each sample's gradient by its own pixels.
  ///
  /// Fills `logits`, `losses`, `predictions` and `imageGradient = ∂CE(f(xᵢ), yᵢ)/∂xᵢ`.
  /// - Parameter labels: one for each sample.
  public func inferWithInputGradient(labels: UnsafeBufferPointer<Int32>) {
    precondition(imageGradient.count > 0, "this lane was planned without input gradient")
    precondition(labels.count == microbatch, "\(labels.count) labels for \(microbatch) samples")
    requireExactOperands()
    model.engine.enterThread()
    network.forward(images: images.pointer, logits: logits.pointer, .evaluation)
    for sample in 0..<microbatch {
      judge(sample, SampleObjective(label: labels[sample], coefficient: 1))
    }
    network.backward(
      gradLogits: gradLogits.pointer, imageGradient: imageGradient.pointer, .evaluation)
  }

  /// Evaluation is fp32; a training lane's convolutions may round.
  private func requireExactOperands() {
    precondition(
      !isTraining || model.engine.precision == .fp32,
      "evaluation on a training lane of \(model.engine.precision.rawValue)")
  }

  /// Loss, prediction and gradient of one sample's logits.
  private func judge(_ sample: Int, _ objective: SampleObjective) {
    let classes = model.configuration.classCount
    let row = logits.pointer + sample * classes
    losses.pointer[sample] = softmaxCrossEntropy(
      row, classes: classes, objective: objective,
      gradient: gradLogits.pointer + sample * classes)
    predictions.pointer[sample] = Int32(predictedClass(row, classes: classes))
  }
}
