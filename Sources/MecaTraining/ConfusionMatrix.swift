/// How many samples of each class were taken for each class.
public struct ConfusionMatrix: Sendable, Equatable {
  /// Number of classes.
  public let classCount: Int
  /// Row by row, a row for each class that samples are of.
  private var counts: [Int32]

  /// Of no sample yet.
  public init(classCount: Int) {
    self.classCount = classCount
    counts = [Int32](repeating: 0, count: classCount * classCount)
  }

  /// Counts `samples` more of class `label` that were taken for class `prediction`.
  public mutating func add(label: Int, prediction: Int, samples: Int = 1) {
    counts[place(label, prediction)] += Int32(samples)
  }

  /// Samples of class `label` that were taken for class `prediction`.
  public subscript(label: Int, prediction: Int) -> Int { Int(counts[place(label, prediction)]) }

  private func place(_ label: Int, _ prediction: Int) -> Int {
    precondition(
      0..<classCount ~= label && 0..<classCount ~= prediction,
      "class \(label) taken for \(prediction), of \(classCount)")
    return label * classCount + prediction
  }

  /// How many of each class were taken for what they are.
  public var perClass: [HitCount] {
    (0..<classCount).map { label in
      HitCount(
        hits: self[label, label],
        count: (0..<classCount).reduce(0) { $0 + self[label, $1] })
    }
  }

  /// How many of all were taken for what they are.
  public var all: HitCount {
    perClass.reduce(HitCount(hits: 0, count: 0)) {
      HitCount(hits: $0.hits + $1.hits, count: $0.count + $1.count)
    }
  }
}
