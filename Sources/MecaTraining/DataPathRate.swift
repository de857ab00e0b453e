import MecaCore
import MecaImages

extension TrainingSession {
  /// Images per second that one thread brings from the set into a microbatch, in random order.
  ///
  /// What training does between two passes; in the same thread, so that it adds to the step's time.
  /// - Ranks: local.
  /// - Parameter augmentation: how the images are changed on the way; mixing, which takes no time to
  ///   speak of, is left out.
  public func loadingRate(
    of set: any ImageSet, count: Int, augmentation: Augmentation = .none
  ) -> Double {
    let slots = compute.microbatch
    let pixels = PixelLoader(
      set: set, threads: 1, augmentation: augmentation, seed: compute.seed)
    let images = AlignedStorage<Float>(count: slots * set.imageShape.byteCount)
    var random = KeyedRandom(seed: compute.seed, purpose: .trainingOrder, 0)
    let order = random.permutation(count: set.count)
    let time = ContinuousClock().measure {
      for place in 0..<count {
        pixels.load(
          Int(order[place % set.count]), epoch: place / set.count, thread: 0, to: images.pointer,
          slot: place % slots)
      }
    }
    return Double(count) / (time / .seconds(1))
  }
}
