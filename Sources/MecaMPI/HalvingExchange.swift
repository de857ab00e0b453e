import CMecaShims
import MecaCore

/// The all-reduce for 2ᵏ ranks that each hold one node of one level: recursive halving, doubling.
///
/// In step d = 1, 2, 4 … rank r exchanges half of what it still sums with rank r XOR d; the lower
/// rank's value is always the left operand, so that step d makes the tree's nodes of the next
/// level. Afterwards the same steps backwards spread the sums. Each rank sends 2·N·(P − 1)/P
/// floats in 2·log₂ P messages.
///
/// Example, 4 ranks, chunks 0–3: rank 2 exchanges with 3 and keeps chunks 0–1, then with 0 and
/// keeps chunk 1, whose sum is then (r0 + r1) + (r2 + r3).
///
/// - Source: Rabenseifner 2004, "Optimization of collective reduction operations", §2.
final class HalvingExchange {
  private let communicator: Communicator
  /// Each step's partner, what is kept (summed here) and what is given to the partner.
  private struct Step {
    let partner: Int
    let kept, given: Range<Int>
  }
  private var steps: [Step] = []
  private let inbox: AlignedStorage<Float>
  private let bytesPerCall: Int

  init(communicator: Communicator, layout: ReductionLayout) {
    self.communicator = communicator
    let rank = communicator.rank
    var chunks = 0..<communicator.size
    var distance = 1
    var sent = 0
    while distance < communicator.size {
      let middle = chunks.lowerBound + chunks.count / 2
      let (lower, upper) = (chunks.lowerBound..<middle, middle..<chunks.upperBound)
      let (kept, given) = rank & distance == 0 ? (lower, upper) : (upper, lower)
      let step = Step(
        partner: rank ^ distance, kept: layout.elements(kept), given: layout.elements(given))
      steps.append(step)
      // The way back sends what was kept here.
      sent += step.given.count + step.kept.count
      chunks = kept
      distance *= 2
    }
    inbox = AlignedStorage(count: steps.first?.kept.count ?? 0)
    bytesPerCall = sent * MemoryLayout<Float>.stride
  }

  /// Sums `values`, which are used up, with those of the other ranks into `destination`.
  ///
  /// - Returns: the bytes that this rank sent.
  func run(
    _ values: UnsafeMutablePointer<Float>, into destination: UnsafeMutablePointer<Float>
  ) throws -> Int {
    for (number, step) in steps.enumerated() {
      try exchange(
        with: step.partner, send: values + step.given.lowerBound, step.given.count,
        receive: inbox.pointer, step.kept.count)
      let start = step.kept.lowerBound
      let target = (number == steps.count - 1 ? destination : values) + start
      if communicator.rank < step.partner {
        addPair(values + start, inbox.pointer, to: target, count: step.kept.count)
      } else {
        addPair(inbox.pointer, values + start, to: target, count: step.kept.count)
      }
    }
    for step in steps.reversed() {
      try exchange(
        with: step.partner, send: destination + step.kept.lowerBound, step.kept.count,
        receive: destination + step.given.lowerBound, step.given.count)
    }
    return bytesPerCall
  }

  private func exchange(
    with partner: Int, send: UnsafePointer<Float>, _ sendCount: Int,
    receive: UnsafeMutablePointer<Float>, _ receiveCount: Int
  ) throws {
    try check(
      meca_exchange(
        send, Int32(sendCount), receive, Int32(receiveCount), meca_float(), Int32(partner), 0,
        communicator.handle),
      "MPI_Sendrecv")
  }
}

extension ReductionLayout {
  /// The elements that neighbouring chunks cover.
  fileprivate func elements(_ chunks: Range<Int>) -> Range<Int> {
    chunkStarts[chunks.lowerBound]..<chunkStarts[chunks.upperBound]
  }
}

/// Writes `left` + `right` to `target`, element by element; `target` may be one of the two.
private func addPair(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>,
  to target: UnsafeMutablePointer<Float>, count: Int
) {
  for index in 0..<count { target[index] = left[index] + right[index] }
}
