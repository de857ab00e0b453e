import MecaCore
import MecaImages
import MecaNN

/// The perturbation that the robustness score is measured under.
public struct PerturbationConfiguration: Codable, Hashable, Sendable {
  /// Side of the perturbed square, pixels ("r" in the paper: "patch size is set to 2").
  public var patchSize: Int
  /// Largest change of a pixel, of 255 ("ε").
  public var epsilon: Float
  /// Squares drawn a sample; the score is the mean over them (1 in the paper).
  public var masks: Int

  /// All values.
  public init(patchSize: Int = 2, epsilon: Float = 16, masks: Int = 1) {
    self.patchSize = patchSize
    self.epsilon = epsilon
    self.masks = masks
  }

  /// Checks that the square fits into an image.
  ///
  /// - Throws: `SettingError`.
  public func validate(imageShape: ImageShape) throws {
    let largest = min(imageShape.height, imageShape.width)
    if patchSize > largest {
      throw SettingError(
        setting: "patch-size", value: "\(patchSize)",
        allowed: "\(largest) at most, the size of the images")
    }
  }
}

extension TrainingSession {
  /// The robustness score of Algorithm 1 for `indices` of a set: the one scoring loop.
  ///
  /// With g = ∂CE(f(x), y)/∂x in evaluation mode and a random square m:
  /// x* = clamp(x + m ⊙ ε·sign(g), 0, 1), s = KL(softmax f(x) ‖ softmax f(x*)).
  ///
  /// - Ranks: collective; no exchange before the end.
  /// - Parameters:
  ///   - labels: given label of every sample of the set.
  ///   - key: what the squares are drawn from.
  /// - Returns: loss, divergence s and prediction for each place of `indices`.
  /// - Source: MeCa, arXiv:2405.12719, eq. (3) and Algorithm 1.
  public func score(
    _ model: Model, on set: any ImageSet, indices: [Int32], labels: [Int32],
    perturbation: PerturbationConfiguration, key: StageKey
  ) throws -> [SampleRecord] {
    try scoring(model, on: set, labels: labels, perturbation: perturbation, key: key)
      .run(indices)
  }

  /// Plans what `score` runs.
  ///
  /// - Ranks: local; the pass itself is collective.
  /// - Throws: `EngineError` where the engine refuses a shape, `SettingError` for a square that does not fit.
  public func scoring(
    _ model: Model, on set: any ImageSet, labels: [Int32],
    perturbation: PerturbationConfiguration, key: StageKey
  ) throws -> SamplePass<SampleRecord> {
    try SamplePass(self, "score \(key)", .scoring, model, over: set) { pixels in
      try ScoringVisitor(
        pixels, model: model, shape: set.imageShape, labels: labels, perturbation: perturbation,
        seed: key.seed(of: compute.seed))
    }
  }
}

/// Forward, gradient with respect to the image, perturbation, forward, divergence.
final class ScoringVisitor: BatchVisitor {
  private let lane: Lane
  private let labels: [Int32]
  private let perturbation: PerturbationConfiguration
  private let seed: UInt64
  private let pixels: PixelLoader
  private let shape: ImageShape
  private let original: AlignedStorage<Float>
  private let signs: AlignedStorage<Float>
  private var records: [SampleRecord] = []
  private var firstLogits: [Float]

  init(
    _ pixels: PixelLoader, model: Model, shape: ImageShape, labels: [Int32],
    perturbation: PerturbationConfiguration, seed: UInt64
  ) throws {
    try perturbation.validate(imageShape: shape)
    let batch = TrainingSession.evaluationBatch
    lane = try Lane(model: model, microbatch: batch, training: false, inputGradient: true)
    self.labels = labels
    self.perturbation = perturbation
    self.seed = seed
    self.pixels = pixels
    self.shape = shape
    original = AlignedStorage<Float>(count: lane.images.count)
    signs = AlignedStorage<Float>(count: lane.images.count)
    firstLogits = [Float](repeating: 0, count: lane.logits.count)
  }

  func visit(_ indices: [Int32], thread: Int) {
    for (slot, index) in indices.enumerated() {
      pixels.load(Int(index), thread: thread, to: lane.images.pointer, slot: slot)
    }
    let batchLabels = indices.map { labels[Int($0)] }
    batchLabels.withUnsafeBufferPointer { lane.inferWithInputGradient(labels: $0) }
    records = indices.indices.map { slot in
      SampleRecord(
        logits: lane.logits(of: slot), label: batchLabels[slot], prediction: lane.predictions[slot])
    }
    for place in firstLogits.indices { firstLogits[place] = lane.logits.pointer[place] }
    original.pointer.update(from: lane.images.pointer, count: original.count)
    signs.pointer.update(from: lane.imageGradient.pointer, count: signs.count)
    for mask in 0..<perturbation.masks {
      perturb(indices, mask: mask)
      lane.infer()
      addDivergences()
    }
  }

  func record(_ slot: Int) -> SampleRecord { records[slot] }

  /// Adds ε·sign(g) within each sample's random square to the original pixels.
  private func perturb(_ indices: [Int32], mask: Int) {
    let images = lane.images.pointer
    images.update(from: original.pointer, count: original.count)
    let side = perturbation.patchSize
    let epsilon = perturbation.epsilon / 255
    let plane = shape.height * shape.width
    for (slot, index) in indices.enumerated() {
      var random = KeyedRandom(
        seed: seed, purpose: .perturbationMask, mask, Int(index))
      let top = random.integer(below: shape.height - side + 1)
      let left = random.integer(below: shape.width - side + 1)
      for channel in 0..<shape.channels {
        for row in top..<top + side {
          for column in left..<left + side {
            let place = (slot * shape.channels + channel) * plane + row * shape.width + column
            let gradient = signs.pointer[place]
            let direction: Float = gradient > 0 ? 1 : (gradient < 0 ? -1 : 0)
            images[place] = min(1, max(0, images[place] + epsilon * direction))
          }
        }
      }
    }
  }

  private func addDivergences() {
    let classes = firstLogits.count / records.count
    firstLogits.withUnsafeBufferPointer { first in
      for slot in records.indices {
        let before = UnsafeBufferPointer(rebasing: first[slot * classes..<(slot + 1) * classes])
        records[slot].divergence +=
          divergence(from: before, to: lane.logits(of: slot)) / Float(perturbation.masks)
      }
    }
  }
}
