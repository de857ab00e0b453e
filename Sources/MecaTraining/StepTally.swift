import MecaNN

/// Sums of loss and hits that travel behind the gradients through the same tree.
///
/// Layout behind the model's own values: for each group three floats (loss sum, hits, samples), then
/// how many shards met an image that could not be read, then how many belong to a rank that is asked
/// to stop: so all ranks learn of it in the same step, without a message more. Of samples with two
/// labels the loss is the mixed one, and a prediction that is one of them counts as that label's share
/// of a hit.
package struct StepTally {
  /// Number of groups.
  package let groups: Int
  /// Place of the first sum.
  package let offset: Int

  /// Sums of `groups` groups, behind `offset` floats.
  package init(groups: Int, after offset: Int) {
    self.groups = groups
    self.offset = offset
  }

  /// Floats that the sums take.
  package var elementCount: Int { groups * 3 + 2 }

  /// Sums over the steps of an epoch.
  package struct Total {
    /// Cross entropies of each group, summed.
    package var lossSums: [Double]
    /// Samples classified as their label; of mixed ones the label's share.
    package var hits: [Double]
    /// Samples looked at.
    package var samples: [Double]

    /// Adds another step's sums.
    package mutating func add(_ other: Total) {
      for group in lossSums.indices {
        lossSums[group] += other.lossSums[group]
        hits[group] += other.hits[group]
        samples[group] += other.samples[group]
      }
    }

    /// Means over a group's samples.
    package func summary(ofGroup group: Int) -> EpochSummary {
      EpochSummary(
        loss: lossSums[group] / samples[group], accuracy: hits[group] / samples[group])
    }
  }

  /// Nothing summed yet.
  package var zero: Total {
    let zeros = [Double](repeating: 0, count: groups)
    return Total(lossSums: zeros, hits: zeros, samples: zeros)
  }

  /// Writes one shard's sums behind its gradients.
  package func write(
    losses: UnsafePointer<Float>, predictions: UnsafePointer<Int32>,
    objectives: UnsafeBufferPointer<SampleObjective>, group: Int, isReadable: Bool = true,
    isAskedToStop: Bool = false, to result: UnsafeMutablePointer<Float>
  ) {
    for place in 0..<elementCount { result[offset + place] = 0 }
    var lossSum: Float = 0
    var hits: Float = 0
    for (slot, objective) in objectives.enumerated() {
      lossSum += losses[slot]
      hits += objective.hit(by: predictions[slot])
    }
    result[offset + group * 3] = lossSum
    result[offset + group * 3 + 1] = hits
    result[offset + group * 3 + 2] = Float(objectives.count)
    result[offset + groups * 3] = isReadable ? 0 : 1
    result[offset + groups * 3 + 1] = isAskedToStop ? 1 : 0
  }

  /// Whether every shard could read its images.
  package func isReadable(_ sum: UnsafePointer<Float>) -> Bool { sum[offset + groups * 3] == 0 }

  /// Whether some rank is asked to stop.
  package func isAskedToStop(_ sum: UnsafePointer<Float>) -> Bool {
    sum[offset + groups * 3 + 1] != 0
  }

  /// Reads the sums over all shards.
  package func read(_ sum: UnsafePointer<Float>) -> Total {
    var total = zero
    for group in 0..<groups {
      total.lossSums[group] = Double(sum[offset + group * 3])
      total.hits[group] = Double(sum[offset + group * 3 + 1])
      total.samples[group] = Double(sum[offset + group * 3 + 2])
    }
    return total
  }
}
