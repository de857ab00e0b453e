import MecaCore
import MecaImages
import MecaNN

/// One compute thread's lane and the objectives of its microbatch.
final class ShardWorker {
  let lane: Lane
  let objectives: UnsafeMutableBufferPointer<SampleObjective>

  init(model: Model, microbatch: Int) throws {
    lane = try Lane(model: model, microbatch: microbatch, training: true, inputGradient: false)
    objectives = .allocate(capacity: microbatch)
    objectives.initialize(repeating: SampleObjective(label: 0, coefficient: 0))
  }

  deinit { objectives.deallocate() }
}

/// Brings the samples of a logical shard into a worker's microbatch, as a lesson wants them.
struct ShardFilling {
  private let lesson: Lesson
  private let shards: Int
  private let microbatch: Int
  private let pixels: PixelLoader
  private let mixer: MicrobatchMixer?

  /// The first image that could not be read.
  var fault: FileError? { pixels.fault }

  /// Takes the memory; nothing is allocated per shard.
  ///
  /// - Parameter seed: the training's, which augmentation and mixtures are drawn from.
  init(
    _ lesson: Lesson, augmentation: Augmentation, set: any ImageSet, compute: ComputeConfiguration,
    seed: UInt64
  ) {
    self.lesson = lesson
    shards = compute.shards
    microbatch = compute.microbatch
    pixels = PixelLoader(
      set: set, threads: compute.threads, augmentation: augmentation, seed: seed)
    mixer = augmentation.cutMix.map {
      MicrobatchMixer(
        $0, shape: set.imageShape, microbatch: compute.microbatch, threads: compute.threads,
        seed: seed)
    }
  }

  /// Fills a worker's images and objectives.
  ///
  /// - Parameter epoch: number within the training.
  /// - Returns: the number of the group that the shard belongs to.
  func fill(
    _ worker: ShardWorker, thread: Int, order: EpochOrder, epoch: Int, step: Int, shard: Int
  ) -> Int {
    let number = order.place(ofShard: shard).group
    let group = lesson.groups[number]
    let coefficient = group.weight / Float(order.shardCount(ofGroup: number) * microbatch)
    let images = worker.lane.images.pointer
    for slot in 0..<microbatch {
      let index = Int(order.index(step: step, shard: shard, slot: slot))
      pixels.load(index, epoch: epoch, thread: thread, to: images, slot: slot)
      worker.objectives[slot] = SampleObjective(
        label: lesson.labels[index], coefficient: coefficient, lossCap: group.lossCap)
    }
    if group.mayBeMixed {
      mixer?.mix(
        images, worker.objectives, thread: thread, epoch: epoch, shard: step * shards + shard)
    }
    return number
  }
}
