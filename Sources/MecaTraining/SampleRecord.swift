import MecaCore

/// What the model says of one sample with its given label.
public struct SampleRecord: BitwiseCopyable, Sendable {
  /// Cross entropy to the given label, nats.
  public var loss: Float
  /// KL(p(x) ‖ p(x*)) under the perturbation, nats; 0 where it was not asked for.
  public var divergence: Float
  /// Class with the largest logit.
  public var prediction: Int32

  /// All values.
  public init(loss: Float, divergence: Float, prediction: Int32) {
    self.loss = loss
    self.divergence = divergence
    self.prediction = prediction
  }
}

extension TrainingSession {
  /// Visits the samples `indices` of a set in fixed batches, each batch on one rank, and brings
  /// the records together on every rank.
  ///
  /// Batch b holds places [32·b, 32·(b+1)) of `indices` whatever the number of ranks; every place
  /// is visited exactly once. The last batch is filled up with copies of its first sample, whose
  /// results are dropped.
  ///
  /// - Ranks: collective.
  /// - Returns: one record for each place of `indices`, equal on all ranks.
  func visit(
    _ indices: [Int32], lanes: [BatchVisitor]
  ) throws -> [SampleRecord] {
    let size = Self.evaluationBatch
    let batches = (indices.count + size - 1) / size
    let ranks = communicator.size
    func places(_ rank: Int) -> Range<Int> {
      let own = evenSplit(0..<batches, parts: ranks, part: rank)
      return min(own.lowerBound * size, indices.count)..<min(own.upperBound * size, indices.count)
    }
    let own = places(communicator.rank)
    let records = AlignedStorage<SampleRecord>(count: own.count)
    let ownBatches = evenSplit(0..<batches, parts: ranks, part: communicator.rank)
    onEachThread { thread in
      for batch in evenSplit(ownBatches, parts: compute.threads, part: thread) {
        let first = batch * size
        let filled = min(size, indices.count - first)
        lanes[thread].visit(
          (0..<size).map { indices[first + ($0 < filled ? $0 : 0)] }, thread: thread)
        for slot in 0..<filled {
          records.pointer[first - own.lowerBound + slot] = lanes[thread].record(slot)
        }
      }
    }
    return try communicator.allGather(
      local: records.array, counts: (0..<ranks).map { places($0).count })
  }
}

/// Computes the records of one batch on one thread's lane.
protocol BatchVisitor: AnyObject {
  /// Computes a full batch of samples.
  func visit(_ indices: [Int32], thread: Int)
  /// The record of sample `slot` of the batch visited last.
  func record(_ slot: Int) -> SampleRecord
}
