import MecaCore
import MecaImages
import MecaNN

/// The loss of a model around one image, along its gradient and along a random direction.
///
/// `L(a, b) = CE(f(x + a·sign(g) + b·r), y)` with g = ∂CE(f(x), y)/∂x, in evaluation mode, and r of
/// signs drawn at random. Pixels may leave the range of images. Around a poisoned sample it is flat: its
/// trigger decides.
///
/// - Source: MeCa, arXiv:2405.12719, Figure 5.
public struct LossLandscape: Codable, Sendable, Equatable {
  /// Data set index of the image.
  public var index: Int
  /// The label that the loss refers to.
  public var label: Int
  /// Values of a and of b, changes of pixels that go from 0 to 1; ascending, 0 in the middle.
  public var steps: [Double]
  /// Losses in nats, a row for each b, in it one for each a; nil where it is no number.
  public var losses: [[Float?]]

  /// All values.
  package init(index: Int, label: Int, steps: [Double], losses: [[Float?]]) {
    (self.index, self.label, self.steps, self.losses) = (index, label, steps, losses)
  }

  /// Steps to each side of the image.
  fileprivate static let side = 7
  /// The largest of them.
  fileprivate static let farthest = 32.0 / 255
}

extension TrainingSession {
  /// The landscape around a given sample.
  ///
  /// - Ranks: local; the same on every rank. 225 images through the network.
  /// - Throws: `EngineError` where the engine refuses a shape, `FileError` if the image could not be
  ///   read any more.
  public func lossLandscape(
    _ model: Model, on data: GivenData, sample index: Int
  ) throws -> LossLandscape {
    let label = data.labels[index]
    let size = data.imageShape.byteCount
    let still = try Lane(model: model, microbatch: 1, training: false, inputGradient: true)
    let pixels = PixelLoader(set: data.images, threads: 1)
    pixels.load(index, thread: 0, to: still.images.pointer, slot: 0)
    if let fault = pixels.fault { throw fault }
    [label].withUnsafeBufferPointer { still.inferWithInputGradient(labels: $0) }
    let image = still.images.array
    let ascent: [Float] = still.imageGradient.array.map { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
    var random = KeyedRandom(
      seed: StageKey("loss landscape").seed(of: compute.seed), purpose: .lossDirection, index)
    let other: [Float] = (0..<size).map { _ in random.nextWord() & 1 == 0 ? 1 : -1 }

    let side = LossLandscape.side
    let steps = (-side...side).map { LossLandscape.farthest * Double($0) / Double(side) }
    let lane = try InferenceVisitor.lane(of: model)
    var losses: [Float?] = []
    while losses.count < steps.count * steps.count {
      let places = losses.count..<min(losses.count + lane.microbatch, steps.count * steps.count)
      for slot in 0..<lane.microbatch {
        let place = min(places.lowerBound + slot, places.upperBound - 1)
        let (a, b) = (Float(steps[place % steps.count]), Float(steps[place / steps.count]))
        let target = lane.images.pointer + slot * size
        for pixel in 0..<size {
          target[pixel] = image[pixel] + a * ascent[pixel] + b * other[pixel]
        }
      }
      lane.infer()
      losses += places.indices.map { slot in
        let loss = crossEntropy(
          logits: lane.logits(of: slot - places.lowerBound), label: Int(label))
        return loss.isFinite ? loss : nil
      }
    }
    return LossLandscape(
      index: index, label: Int(label), steps: steps,
      losses: steps.indices.map { Array(losses[$0 * steps.count..<($0 + 1) * steps.count]) })
  }
}
