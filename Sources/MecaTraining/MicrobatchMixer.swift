import MecaCore
import MecaImages
import MecaNN

/// Mixes the images and labels of a microbatch by CutMix.
///
/// Partners come from the same microbatch, and so from the same group of samples and the same
/// logical shard: what a shard computes depends on nothing outside of it. Every image is once the
/// giver of a box and once the taker.
struct MicrobatchMixer {
  private let cutMix: CutMix
  private let shape: ImageShape
  private let microbatch: Int
  private let seed: UInt64
  private let partners: [AlignedStorage<Int32>]
  private let aside: [AlignedStorage<Float>]

  /// Takes the memory; nothing is allocated per microbatch.
  init(_ cutMix: CutMix, shape: ImageShape, microbatch: Int, threads: Int, seed: UInt64) {
    self.cutMix = cutMix
    self.shape = shape
    self.microbatch = microbatch
    self.seed = seed
    partners = (0..<threads).map { _ in AlignedStorage<Int32>(count: microbatch) }
    aside = (0..<threads).map { _ in AlignedStorage<Float>(count: shape.byteCount) }
  }

  /// Mixes a microbatch, or leaves it as it is, as the dice fall.
  ///
  /// - Shapes: `images` [N, C, H, W], `objectives` N.
  /// - Parameters:
  ///   - epoch: number within the training.
  ///   - shard: number of the logical shard among all those of the epoch.
  func mix(
    _ images: UnsafeMutablePointer<Float>,
    _ objectives: UnsafeMutableBufferPointer<SampleObjective>, thread: Int, epoch: Int, shard: Int
  ) {
    var random = KeyedRandom(seed: seed, purpose: .labelMixing, epoch, shard)
    guard let box = cutMix.drawBox(shape: shape, &random) else { return }
    let partners = partners[thread].pointer
    random.permute(partners, count: microbatch)
    let share = box.shareOutside(of: shape)
    for slot in 0..<microbatch {
      objectives[slot] = objectives[slot].mixed(
        with: objectives[Int(partners[slot])].label, share: share)
    }
    exchangeBoxes(
      images, count: microbatch, shape: shape, box: box, partners: partners,
      aside: aside[thread].pointer)
  }
}

extension KeyedRandom {
  /// Writes a permutation of 0 to `count` − 1 (Fisher–Yates), the same as `permutation(count:)`.
  fileprivate mutating func permute(_ order: UnsafeMutablePointer<Int32>, count: Int) {
    for place in 0..<count { order[place] = Int32(place) }
    guard count > 1 else { return }
    for last in stride(from: count - 1, to: 0, by: -1) {
      let place = integer(below: last + 1)
      (order[place], order[last]) = (order[last], order[place])
    }
  }
}
