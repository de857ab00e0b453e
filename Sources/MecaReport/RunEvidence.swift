import Foundation
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaImages
import MecaMPI
import MecaTraining

/// What a report shows of a verdict besides figures: pictures of the suspects and how the scores lie.
///
/// The content of `evidence.json`, from which a report can be made without the data.
public struct RunEvidence: Codable, Sendable {
  /// Small pictures in one file, side by side, row by row.
  public struct Sheet: Codable, Sendable {
    /// A picture, and what is said of it.
    public struct Tile: Codable, Sendable {
      /// Data set index.
      public var index: Int
      /// Where it comes from.
      public var path: String
      /// Its given label.
      public var label: Int
      /// What the defence takes it for; nil where it says nothing.
      public var looksLike: Int?
      /// Whether it is flagged.
      public var isFlagged: Bool
      /// What it really is, where that is known: clean, poison, cover.
      public var truth: String?
    }

    /// A JPEG file.
    public var jpeg: Data
    /// Pixels from one picture to the next.
    public var step: Int
    /// Pixels of a picture.
    public var side: Int
    /// Pictures of a row.
    public var columns: Int
    /// In their order.
    public var tiles: [Tile]
  }

  /// What is shown of one label that something speaks against.
  public struct Label: Codable, Sendable {
    /// The label.
    public var label: Int
    /// Its suspects, the most certain first.
    public var suspects: Sheet
    /// How many suspects there are; the sheet may have fewer.
    public var count: Int
    /// The least certain suspects; nil where all are few.
    public var leastCertain: Sheet?
    /// Those kept that come next; nil where none is kept.
    public var nearestKept: Sheet?
    /// Mean of the suspects, a PNG file.
    public var meanSuspect: Data
    /// Mean of the label's others, a PNG file.
    public var meanKept: Data
    /// Grey and three times the difference of the means, a PNG file.
    public var difference: Data
    /// Where they share something.
    public var place: DetectionAnswer.Label.Place?
    /// Rows of an image.
    public var height: Int
    /// Columns of an image.
    public var width: Int
    /// The loss around a flagged sample and around a kept one, where a model was at hand.
    public var landscapes: [Landscape]?
  }

  /// The loss around a sample.
  public struct Landscape: Codable, Sendable {
    /// Whether the sample is flagged.
    public var isFlagged: Bool
    /// The loss.
    public var loss: LossLandscape
  }

  /// How the values of a column lie.
  public struct Histogram: Codable, Sendable {
    /// The column's name.
    public var name: String
    /// Beginnings of the bins and the end of the last.
    public var edges: [Double]
    /// Flagged samples in each.
    public var flagged: [Int]
    /// Kept samples in each.
    public var kept: [Int]
  }

  /// By label.
  public var labels: [Label]
  /// By column.
  public var histograms: [Histogram]
  /// The ROC curve of the score against the truth: shares of the clean and of the poisoned.
  public var roc: [[Double]]?

  /// Pictures at most, of all labels together.
  private static let mostTiles = 2000
  /// Pixels of a picture's longer side at most.
  private static let mostPixels = 48
  /// Pictures on each side of the border.
  private static let borderTiles = 8
  /// Labels with landscapes of the loss at most.
  private static let mostLandscapes = 3

  /// What a verdict rests on.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Parameter landscape: the loss around a sample, of some model that has learnt all of them; nil
  ///   where none is at hand.
  /// - Throws: `FileError` if an image cannot be read any more.
  public init(
    _ verdict: Verdict, data: TrainingData, landscape: ((Int) throws -> LossLandscape)? = nil
  ) throws {
    let ranked = verdict.ranked
    let byLabel = Dictionary(grouping: ranked) { Int(data.labels[$0]) }
    let most = max(Self.borderTiles, Self.mostTiles / max(1, byLabel.count))
    let maker = SheetMaker(verdict: verdict, data: data, mostPixels: Self.mostPixels)
    var landscapesLeft = landscape == nil ? 0 : Self.mostLandscapes
    labels = try byLabel.sorted { $0.key < $1.key }.map { label, suspects in
      let kept = data.labels.indices.filter {
        Int(data.labels[$0]) == label && !verdict.flagged[$0] && !verdict.unconfirmed.at($0)
      }
      let nearest = kept.sorted { (-verdict.score[$0], $0) < (-verdict.score[$1], $1) }
      let means = (try maker.mean(of: suspects), try maker.mean(of: kept))
      let shape = data.training.imageShape
      func png(_ values: [Float]) throws -> Data {
        Data(
          try encodePNG(
            values.map { UInt8(min(255, max(0, $0.rounded()))) }, shape: shape))
      }
      var landscapes: [Landscape]?
      let flagged = suspects.filter { verdict.flagged[$0] }
      if let landscape, landscapesLeft > 0, !flagged.isEmpty {
        landscapesLeft -= 1
        // Neither the most certain ones nor the least.
        landscapes = try [flagged, nearest].filter { !$0.isEmpty }.map { samples in
          let index = samples[samples.count / 2]
          return Landscape(isFlagged: verdict.flagged[index], loss: try landscape(index))
        }
      }
      return Label(
        label: label, suspects: try maker.sheet(Array(suspects.prefix(most))),
        count: suspects.count,
        leastCertain: suspects.count > Self.borderTiles
          ? try maker.sheet(Array(suspects.suffix(Self.borderTiles).reversed())) : nil,
        nearestKept: kept.isEmpty
          ? nil : try maker.sheet(Array(nearest.prefix(Self.borderTiles))),
        meanSuspect: try png(means.0), meanKept: try png(means.1),
        difference: try png(zip(means.0, means.1).map { 128 + 3 * ($0 - $1) }),
        place: verdict.answer?.labels.first { $0.label == label }?.place, height: shape.height,
        width: shape.width, landscapes: landscapes)
    }
    let columns = [Verdict.Column("score", verdict.score)] + verdict.columns
    histograms = columns.filter { $0.name != "prediction" }.compactMap {
      Self.histogram($0, flagged: verdict.flagged)
    }
    let isPoison = data.labels.indices.map { data.isPoison($0) }
    roc = data.truthIsKnown ? rocCurve(verdict.score, positive: isPoison) : nil
  }

  /// Forty bins; nil where all values are the same.
  private static func histogram(_ column: Verdict.Column, flagged: [Bool]) -> Histogram? {
    let values = column.values.map { Double($0) }
    let sorted = values.filter(\.isFinite).sorted()
    guard let least = sorted.first, let most = sorted.last, most > least else { return nil }
    let bins = 40
    let width = (most - least) / Double(bins)
    var counts = (flagged: [Int](repeating: 0, count: bins), kept: [Int](repeating: 0, count: bins))
    for (value, isFlagged) in zip(values, flagged) where value.isFinite {
      let bin = min(bins - 1, Int((value - least) / width))
      if isFlagged { counts.flagged[bin] += 1 } else { counts.kept[bin] += 1 }
    }
    return Histogram(
      name: column.name, edges: (0...bins).map { least + Double($0) * width },
      flagged: counts.flagged, kept: counts.kept)
  }
}

extension [Bool] {
  /// The element, or false where there is none.
  fileprivate func at(_ index: Int) -> Bool { index < count && self[index] }
}

/// Makes pictures of samples.
private struct SheetMaker {
  let verdict: Verdict
  let data: TrainingData
  let mostPixels: Int

  private func pixels(_ index: Int) throws(FileError) -> [UInt8] {
    let image = AlignedStorage<UInt8>(count: data.training.imageShape.byteCount)
    try image.withMutableSpan { (span) throws(FileError) in
      try data.training.copyImage(at: index, into: &span)
    }
    return image.array
  }

  /// The mean of some samples, 500 at most.
  func mean(of samples: [Int]) throws -> [Float] {
    var sum = [Float](repeating: 0, count: data.training.imageShape.byteCount)
    let chosen = samples.prefix(500)
    for index in chosen {
      for (place, value) in try pixels(index).enumerated() { sum[place] += Float(value) }
    }
    return sum.map { $0 / Float(max(1, chosen.count)) }
  }

  func sheet(_ samples: [Int]) throws -> RunEvidence.Sheet {
    let shape = data.training.imageShape
    let side = min(mostPixels, max(shape.height, shape.width))
    // Whole blocks of JPEG, so that pictures do not run into each other.
    let step = (side + 7) / 8 * 8
    let columns = min(16, max(1, samples.count))
    let rows = (samples.count + columns - 1) / columns
    let size = ImageShape(channels: 3, height: max(1, rows) * step, width: columns * step)
    var sheet = [UInt8](repeating: 128, count: size.byteCount)
    for (place, index) in samples.enumerated() {
      let small = reduced(try pixels(index), shape, to: side)
      let (top, left) = (place / columns * step, place % columns * step)
      for channel in 0..<3 {
        for row in 0..<small.height {
          for column in 0..<small.width {
            sheet[(channel * size.height + top + row) * size.width + left + column] =
              small.pixels[(channel * small.height + row) * small.width + column]
          }
        }
      }
    }
    return RunEvidence.Sheet(
      jpeg: Data(try encodeJPEG(sheet, shape: size, quality: 85)), step: step, side: side,
      columns: columns,
      tiles: samples.map { index in
        RunEvidence.Sheet.Tile(
          index: index, path: data.training.path(at: index), label: Int(data.labels[index]),
          looksLike: verdict.relabelled.map { Int($0[index]) }, isFlagged: verdict.flagged[index],
          truth: data.truth.map { "\($0.roles[index])" })
      })
  }

  /// The image with `side` pixels on its longer side at most, each the mean of those it stands for.
  private func reduced(
    _ image: [UInt8], _ shape: ImageShape, to side: Int
  ) -> (pixels: [UInt8], height: Int, width: Int) {
    let longest = max(shape.height, shape.width)
    guard longest > side else { return (image, shape.height, shape.width) }
    let height = max(1, shape.height * side / longest)
    let width = max(1, shape.width * side / longest)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * height * width)
    for channel in 0..<3 {
      for row in 0..<height {
        let rows = evenSplit(0..<shape.height, parts: height, part: row)
        for column in 0..<width {
          let columns = evenSplit(0..<shape.width, parts: width, part: column)
          var sum = 0
          for y in rows {
            for x in columns { sum += Int(image[(channel * shape.height + y) * shape.width + x]) }
          }
          pixels.append(UInt8(sum / (rows.count * columns.count)))
        }
      }
    }
    return (pixels, height, width)
  }
}

/// Points of the ROC curve, from (0, 0) to (1, 1): the share of the negative and of the positive
/// samples that have a value above each threshold; 200 points at most.
package func rocCurve(_ values: [Float], positive: [Bool]) -> [[Double]]? {
  let positives = positive.count { $0 }
  let negatives = positive.count - positives
  guard positives > 0, negatives > 0 else { return nil }
  let order = values.indices.sorted { values[$0] > values[$1] }
  var points: [[Double]] = [[0, 0]]
  var (hits, alarms) = (0, 0)
  for (place, sample) in order.enumerated() {
    if positive[sample] { hits += 1 } else { alarms += 1 }
    let isLastOfEqual = place + 1 == order.count || values[order[place + 1]] != values[sample]
    let point = [Double(alarms) / Double(negatives), Double(hits) / Double(positives)]
    guard isLastOfEqual, let last = points.last else { continue }
    if place + 1 == order.count || abs(point[0] - last[0]) + abs(point[1] - last[1]) >= 0.01 {
      points.append(point)
    }
  }
  return points
}
