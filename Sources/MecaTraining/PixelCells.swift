import MecaCore
import MecaImages
import MecaMPI

/// The given images' pixels, cut into a grid of cells that are dealt to the ranks.
///
/// For statistics over all samples of what lies at one place. A rank holds the rows of pixels that
/// its cells need, of every sample; a cell is worked on by one rank and one thread whatever their
/// number, so that its results have the same bits. Images of more than 64 pixels a side are
/// averaged down by a whole number first: what a trigger is made of outlives that.
///
/// - Shapes: pixels `[sample, channel, row, column]`.
public final class PixelCells {
  /// Place of a cell in the image.
  public struct Cell: Sendable {
    /// Number in the grid, row by row.
    public let number: Int
    /// Its rows of pixels.
    public let rows: Range<Int>
    /// Its columns of pixels.
    public let columns: Range<Int>
  }

  private static let imagesBetweenWords = 10
  /// Longest side of an image that is looked at as it is.
  package static let longestSide = 64

  /// Size of the images after averaging down.
  public let imageShape: ImageShape
  /// Pixels of a side that were averaged to one.
  public let reduction: Int
  /// All cells, of all ranks.
  public let cells: [Cell]
  /// Number of samples.
  public let count: Int
  private let communicator: Communicator
  private let own: Range<Int>
  private let band: Range<Int>
  private let bytes: AlignedStorage<UInt8>

  /// Reads the pixels.
  ///
  /// - Ranks: collective.
  /// - Parameters:
  ///   - side: wanted side of a cell; cells of a grid differ by one pixel at most.
  ///   - margin: pixels around a cell that its visitors look at too.
  ///   - threads: that read images side by side.
  ///   - progress: told now and then which part of this rank's reading is done, 0 to 1.
  /// - Throws: `RemoteFailure` with `FileError` if an image could not be read.
  package init(
    _ set: any ImageSet, side: Int, margin: Int, communicator: Communicator, threads: Int,
    progress: (Double) -> Void = { _ in }
  ) throws {
    precondition(side > 0 && margin >= 0, "cells of \(side) with \(margin) around")
    let original = set.imageShape
    let longest = max(original.height, original.width)
    reduction = (longest + Self.longestSide - 1) / Self.longestSide
    let shape = ImageShape(
      channels: original.channels, height: (original.height + reduction - 1) / reduction,
      width: (original.width + reduction - 1) / reduction)
    imageShape = shape
    count = set.count
    self.communicator = communicator
    func cuts(_ length: Int) -> [Range<Int>] {
      let parts = max(1, (length + side / 2) / side)
      return (0..<parts).map { evenSplit(0..<length, parts: parts, part: $0) }
    }
    var cells: [Cell] = []
    for rows in cuts(shape.height) {
      for columns in cuts(shape.width) {
        cells.append(Cell(number: cells.count, rows: rows, columns: columns))
      }
    }
    self.cells = cells
    own = communicator.share(of: 0..<cells.count)
    band =
      own.isEmpty
      ? 0..<0
      : max(
        0, cells[own.lowerBound].rows.lowerBound - margin)..<min(
          shape.height, cells[own.upperBound - 1].rows.upperBound + margin)
    let step = shape.channels * band.count * shape.width
    bytes = AlignedStorage(count: count * step)
    try communicator.collectively {
      guard !band.isEmpty else { return }
      try withoutActuallyEscaping(progress) {
        try readImages(set, threads: threads, step: step, progress: $0)
      }
    }
  }

  /// Brings the band of every image into memory.
  private func readImages(
    _ set: any ImageSet, threads: Int, step: Int, progress: @escaping (Double) -> Void
  ) throws {
    let failure = FirstFailure()
    let original = set.imageShape
    runOnThreads(threads) { thread in
      let image = AlignedStorage<UInt8>(count: original.byteCount)
      let part = evenSplit(0..<count, parts: threads, part: thread)
      for index in part {
        // The first thread alone, so that nobody is told twice at once.
        if thread == 0, index % Self.imagesBetweenWords == 0 {
          progress(Double(index - part.lowerBound) / Double(part.count))
        }
        do throws(FileError) {
          try image.withMutableSpan { (span) throws(FileError) in
            try set.copyImage(at: index, into: &span)
          }
        } catch {
          failure.note(error)
          return
        }
        reduce(image.pointer, of: original, to: bytes.pointer + index * step)
      }
    }
    if let first = failure.first { throw first }
  }

  /// The band of one image, each pixel the rounded mean of those that it stands for.
  private func reduce(
    _ image: UnsafePointer<UInt8>, of original: ImageShape, to target: UnsafeMutablePointer<UInt8>
  ) {
    var place = 0
    for channel in 0..<original.channels {
      let plane = image + channel * original.height * original.width
      for row in band {
        let rows = row * reduction..<min(original.height, (row + 1) * reduction)
        for column in 0..<imageShape.width {
          let columns = column * reduction..<min(original.width, (column + 1) * reduction)
          var sum = 0
          for y in rows {
            for x in columns { sum += Int(plane[y * original.width + x]) }
          }
          let pixels = rows.count * columns.count
          target[place] = UInt8((sum + pixels / 2) / pixels)
          place += 1
        }
      }
    }
  }

  /// One sample's pixels around a cell.
  public struct Window {
    fileprivate let base: UnsafePointer<UInt8>
    fileprivate let plane: Int
    fileprivate let width: Int
    fileprivate let firstRow: Int

    /// The pixel at a place of the image; the place must lie within the cell's margin.
    @inline(__always)
    public func pixel(_ channel: Int, _ row: Int, _ column: Int) -> UInt8 {
      base[channel * plane + (row - firstRow) * width + column]
    }
  }

  /// One sample's pixels, for a cell of this rank.
  @inline(__always)
  public func window(of sample: Int) -> Window {
    let plane = band.count * imageShape.width
    return Window(
      base: UnsafePointer(bytes.pointer) + sample * imageShape.channels * plane, plane: plane,
      width: imageShape.width, firstRow: band.lowerBound)
  }

  /// This rank's cells.
  public var ownCells: [Cell] { Array(cells[own]) }

  /// What every cell has given, in the order of the cells, on all ranks.
  ///
  /// - Ranks: collective; `own` holds the numbers of `ownCells`, equally many of each cell of all
  ///   ranks.
  public func gathered(_ own: [[Float]], each count: Int) throws -> [[Float]] {
    precondition(
      own.count == self.own.count && own.allSatisfy { $0.count == count },
      "\(own.map(\.count)) numbers of \(self.own.count) cells, \(count) are due of each")
    let counts = (0..<communicator.size).map {
      evenSplit(0..<cells.count, parts: communicator.size, part: $0).count * count
    }
    let all = try communicator.allGather(local: own.flatMap { $0 }, counts: counts)
    return cells.indices.map { Array(all[$0 * count..<($0 + 1) * count]) }
  }
}

extension TrainingSession {
  /// The pixels of a run's given samples, cell by cell.
  ///
  /// - Ranks: collective.
  public func pixelCells(of data: GivenData, side: Int, margin: Int) throws -> PixelCells {
    try PixelCells(
      data.images, side: side, margin: margin, communicator: communicator,
      threads: compute.threads,
      progress: { [report] part in report?.sayProgress("reading pixels, \(Int(part * 100)) %") })
  }
}

extension GivenData {
  /// The pixels of all samples cell by cell, without other ranks; for tests.
  package func pixelCells(side: Int, margin: Int) throws -> PixelCells {
    try PixelCells(images, side: side, margin: margin, communicator: .alone(), threads: 1)
  }
}
