import MecaNN

/// Sums of loss and hits that travel behind the gradients through the same tree.
///
/// Layout behind the model's own values: for each group three floats (loss sum, hits, samples).
struct StepTally {
  let groups: Int
  let offset: Int

  init(groups: Int, after offset: Int) {
    self.groups = groups
    self.offset = offset
  }

  var elementCount: Int { groups * 3 }

  /// Sums over the steps of an epoch.
  struct Total {
    var lossSums: [Double]
    var hits: [Double]
    var samples: [Double]

    mutating func add(_ other: Total) {
      for group in lossSums.indices {
        lossSums[group] += other.lossSums[group]
        hits[group] += other.hits[group]
        samples[group] += other.samples[group]
      }
    }

    func summary(ofGroup group: Int) -> EpochSummary {
      EpochSummary(
        loss: lossSums[group] / samples[group], accuracy: hits[group] / samples[group])
    }
  }

  var zero: Total {
    let zeros = [Double](repeating: 0, count: groups)
    return Total(lossSums: zeros, hits: zeros, samples: zeros)
  }

  /// Writes one shard's sums behind its gradients.
  func write(_ worker: ShardWorker, group: Int, to result: UnsafeMutablePointer<Float>) {
    let lane = worker.lane
    for place in 0..<elementCount { result[offset + place] = 0 }
    var lossSum: Float = 0
    var hits: Float = 0
    for slot in 0..<lane.microbatch {
      lossSum += lane.losses[slot]
      if lane.predictions[slot] == worker.objectives[slot].label { hits += 1 }
    }
    result[offset + group * 3] = lossSum
    result[offset + group * 3 + 1] = hits
    result[offset + group * 3 + 2] = Float(lane.microbatch)
  }

  /// Reads the sums over all shards.
  func read(_ sum: UnsafePointer<Float>) -> Total {
    var total = zero
    for group in 0..<groups {
      total.lossSums[group] = Double(sum[offset + group * 3])
      total.hits[group] = Double(sum[offset + group * 3 + 1])
      total.samples[group] = Double(sum[offset + group * 3 + 2])
    }
    return total
  }
}
