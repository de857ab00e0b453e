import MecaCore
import MecaImages
import MecaNN

#if canImport(Glibc)
  import Glibc
#endif

/// The probabilities that models give to the classes of a set, one row a sample; filled by passes.
///
/// - Ranks: every rank has one, rank 0 alone the numbers.
public final class ClassProbabilities {
  /// Number of classes.
  public let classCount: Int
  /// Row by row, 0 where nobody was asked; empty on other ranks than 0.
  public private(set) var values: [Float]

  /// No sample was asked about yet.
  ///
  /// - Parameter isHeld: whether this rank holds the numbers.
  public init(samples: Int, classCount: Int, isHeld: Bool) {
    self.classCount = classCount
    values = [Float](repeating: 0, count: isHeld ? samples * classCount : 0)
  }

  /// Takes the rows of some samples.
  func put(_ rows: [Float], _ indices: ArraySlice<Int32>) {
    precondition(rows.count == indices.count * classCount, "\(rows.count) for \(indices.count)")
    guard !values.isEmpty else { return }
    for (place, index) in indices.enumerated() {
      let target = Int(index) * classCount
      values.replaceSubrange(
        target..<target + classCount, with: rows[place * classCount..<(place + 1) * classCount])
    }
  }
}

extension TrainingSession {
  /// Asks a model about some samples: `p(k | x) = exp(z_k) / Σ exp(z_l)` over the first C outputs.
  ///
  /// Outputs beyond the set's classes are left out, the spare classes of suspects among them, so that a
  /// row says what an image shows whatever else was learnt of it; each row sums up to 1.
  ///
  /// A leg of the pass at a time comes together and rank 0 keeps it: samples times classes are there
  /// once. Batches are those of every pass.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` with `NonFiniteOutput` or `FileError`, as ``SamplePass/run(_:)``.
  public func probabilities(
    _ model: Model, on data: GivenData, _ indices: [Int32],
    into probabilities: ClassProbabilities
  ) throws {
    let pixels = PixelLoader(set: data.images, threads: compute.threads)
    let lanes = try (0..<compute.threads).map { _ in
      InferenceVisitor(
        pixels, lane: try InferenceVisitor.lane(of: model), set: data.images, labels: nil)
    }
    let leg = 16 * Self.evaluationBatch * communicator.size * compute.threads
    report?.beginPass()
    for start in stride(from: 0, to: indices.count, by: leg) {
      let part = indices[start..<min(start + leg, indices.count)]
      let rows = try rows(
        Array(part), lanes: lanes, pixels, classCount: probabilities.classCount)
      probabilities.put(rows, part)
      report?.add(
        .judging, part.count, model.configuration, done: start + part.count, of: indices.count)
      try requireReadable(pixels.fault)
      try stopIfAsked()
    }
  }

  /// One row for each of `indices`, on all ranks.
  private func rows(
    _ indices: [Int32], lanes: [InferenceVisitor], _ pixels: PixelLoader, classCount: Int
  ) throws -> [Float] {
    let all: [Float] = try gathered(indices, each: classCount) { thread, batch in
      lanes[thread].visit(batch, thread: thread)
    } put: { thread, slot, row in
      softmax(lanes[thread].lane.logits(of: slot).prefix(classCount), to: row)
    }
    if let place = all.firstIndex(where: { !$0.isFinite }) {
      let sample = Int(indices[place / classCount])
      try communicator.collectively {
        throw NonFiniteOutput(
          sample: sample, path: pixels.path(at: sample), pass: "probabilities")
      }
    }
    return all
  }
}

/// Softmax in 64 bits, rounded once.
private func softmax(
  _ logits: Slice<UnsafeBufferPointer<Float>>, to row: UnsafeMutablePointer<Float>
) {
  let largest = logits.max() ?? 0
  let powers = logits.map { exp(Double($0) - Double(largest)) }
  let sum = powers.reduce(0, +)
  for (place, power) in powers.enumerated() { row[place] = Float(power / sum) }
}
