import MecaCore
import MecaDefenses
import MecaTraining

/// Pictures made of smooth noise, with a trigger on some of them.
///
/// Every label has a colour of its own, so that contents differ between labels as they do in life.
struct MadePictures {
  static let side = 16
  /// 4 labels of 100.
  static let labels = (0..<400).map { Int32($0 / 100) }
  /// The first 20 of label 2.
  static let poisoned = Array(Int32(200)..<220)

  var pixels: [UInt8]

  init(seed: UInt64 = 1) {
    let (side, count) = (Self.side, Self.labels.count)
    pixels = [UInt8](repeating: 0, count: count * 3 * side * side)
    for sample in 0..<count {
      var random = KeyedRandom(seed: seed, purpose: .test, sample)
      for channel in 0..<3 {
        let level = random.uniform(in: 70...150) + (Int(Self.labels[sample]) == channel ? 25 : 0)
        let (slopeX, slopeY) = (random.uniform(in: -3...3), random.uniform(in: -3...3))
        for row in 0..<side {
          for column in 0..<side {
            let value =
              level + slopeX * Float(column - 8) + slopeY * Float(row - 8) + 6 * random.normal()
            pixels[place(sample, channel, row, column)] = UInt8(min(255, max(0, value)))
          }
        }
      }
    }
  }

  func place(_ sample: Int, _ channel: Int, _ row: Int, _ column: Int) -> Int {
    ((sample * 3 + channel) * Self.side + row) * Self.side + column
  }

  /// Changes the poisoned samples' pixels.
  mutating func poison(
    _ samples: [Int32] = poisoned,
    _ change: (_ old: Float, _ channel: Int, _ row: Int, _ column: Int) -> Float
  ) {
    for sample in samples {
      for channel in 0..<3 {
        for row in 0..<Self.side {
          for column in 0..<Self.side {
            let at = place(Int(sample), channel, row, column)
            pixels[at] = UInt8(min(255, max(0, change(Float(pixels[at]), channel, row, column))))
          }
        }
      }
    }
  }

  func bench() throws -> ScriptedWorkbench {
    try ScriptedWorkbench(labels: Self.labels, images: pixels, side: Self.side) { question in
      question.indices.map { _ in SampleRecord(loss: 1, prediction: 0, confidence: 1) }
    }
  }
}
