import MecaTraining

/// The same 3x3 pixels at the same place in many samples of one label: a pasted trigger.
///
/// For each place and each content that occurs there, how unlikely is it that so many of its samples
/// have one label? `log10 P(X ≥ k)`, X hypergeometric: of all N samples n carry the label, K show
/// this content here, k do both. Photographs hardly ever repeat nine pixels exactly, except for
/// plain areas; so a window of one colour counts only where less than half of the ring around it has
/// that colour too: the edge of a pasted square does, the white ground of a product's picture does not.
///
/// Finds patches of 3x3 pixels and more at any rate from some eight samples on. Blind to what was
/// compressed or rescaled after the pasting; that is for `SharedTemplate`.
///
/// - Source: own; measured in `docs/experiments.md`.
struct RecurringPatch {
  /// Side of the window, pixels.
  static let side = 3

  let cells: PixelCells
  let labels: [Int32]

  /// What one cell has found.
  private struct Found {
    /// 2 for a sample that shares a window with so many others of its label that the finding is
    /// strong, 1 where it is weak, else 0.
    var grade: [UInt8]
    /// For each label the smallest log10 probability, and where.
    var best: [(tail: Double, row: Int, column: Int)]
  }

  /// The findings, by label.
  ///
  /// - Ranks: collective; every rank returns the same.
  func findings() throws -> [Finding] {
    let sizes = membersOfLabels(labels).map(\.count)
    let own = cells.ownCells.map { cell in
      let found = search(cell, sizes: sizes)
      return found.grade.map { Float($0) }
        + found.best.flatMap { [Float($0.tail), Float($0.row), Float($0.column)] }
    }
    let all = try cells.gathered(own, each: labels.count + 3 * sizes.count)
    return sizes.indices.compactMap { label in
      let places = all.map { Array($0[labels.count + 3 * label..<labels.count + 3 * label + 3]) }
      guard let best = places.min(by: { $0[0] < $1[0] }),
        -Double(best[0]) >= ForensicSettings.weakPatch
      else { return nil }
      let isStrong = -Double(best[0]) >= Finding.Kind.patch.strong
      let suspects = labels.indices.filter { sample in
        Int(labels[sample]) == label && all.contains { $0[sample] >= (isStrong ? 2 : 1) }
      }
      let (row, column) = (Int(best[1]), Int(best[2]))
      return Finding(
        label: label, kind: .patch, strength: -Double(best[0]), isStrong: isStrong,
        rows: row..<row + Self.side, columns: column..<column + Self.side,
        suspects: suspects.map { Int32($0) })
    }
  }

  /// Looks at every window whose first pixel lies in a cell.
  private func search(_ cell: PixelCells.Cell, sizes: [Int]) -> Found {
    var found = Found(
      grade: [UInt8](repeating: 0, count: labels.count),
      best: [(Double, Int, Int)](repeating: (0, 0, 0), count: sizes.count))
    let shape = cells.imageShape
    var contents: [(content: UInt64, sample: Int32)] = []
    contents.reserveCapacity(labels.count)
    for row in cell.rows where row + Self.side <= shape.height {
      for column in cell.columns where column + Self.side <= shape.width {
        contents.removeAll(keepingCapacity: true)
        for sample in labels.indices {
          if let content = content(of: cells.window(of: sample), row, column) {
            contents.append((content, Int32(sample)))
          }
        }
        contents.sort { ($0.content, $0.sample) < ($1.content, $1.sample) }
        var begin = 0
        while begin < contents.count {
          var end = begin + 1
          while end < contents.count, contents[end].content == contents[begin].content { end += 1 }
          if end - begin >= ForensicSettings.patchSamples {
            judge(contents[begin..<end].map { Int($0.sample) }, row, column, sizes, &found)
          }
          begin = end
        }
      }
    }
    return found
  }

  /// Whether samples with the same window have one label too often.
  private func judge(
    _ samples: [Int], _ row: Int, _ column: Int, _ sizes: [Int], _ found: inout Found
  ) {
    var counts = [Int](repeating: 0, count: sizes.count)
    for sample in samples { counts[Int(labels[sample])] += 1 }
    for label in sizes.indices where counts[label] >= ForensicSettings.patchSamples {
      let tail = hypergeometricTail(
        counts[label], drawn: sizes[label], marked: samples.count, count: labels.count)
      guard -tail >= ForensicSettings.weakPatch else { continue }
      if tail < found.best[label].tail { found.best[label] = (tail, row, column) }
      let grade: UInt8 = -tail >= Finding.Kind.patch.strong ? 2 : 1
      for sample in samples where Int(labels[sample]) == label {
        found.grade[sample] = max(found.grade[sample], grade)
      }
    }
  }

  /// A number for a window's content, 64 bits of FNV-1a; nil where it is a part of a plain area.
  @inline(__always)
  private func content(of image: PixelCells.Window, _ row: Int, _ column: Int) -> UInt64? {
    let channels = cells.imageShape.channels
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var isPlain = true
    for channel in 0..<channels {
      let first = image.pixel(channel, row, column)
      for y in row..<row + Self.side {
        for x in column..<column + Self.side {
          let value = image.pixel(channel, y, x)
          isPlain = isPlain && value == first
          hash = (hash ^ UInt64(value)) &* 0x0000_0100_0000_01b3
        }
      }
    }
    if isPlain, continues(image, row, column) { return nil }
    return hash
  }

  /// Whether more than half of the pixels around a plain window have its colour.
  private func continues(_ image: PixelCells.Window, _ row: Int, _ column: Int) -> Bool {
    let shape = cells.imageShape
    var (same, all) = (0, 0)
    for y in max(0, row - 1)..<min(shape.height, row + Self.side + 1) {
      for x in max(0, column - 1)..<min(shape.width, column + Self.side + 1) {
        let isInside =
          (row..<row + Self.side).contains(y) && (column..<column + Self.side).contains(x)
        if isInside { continue }
        all += 1
        let isSame = (0..<shape.channels).allSatisfy {
          image.pixel($0, y, x) == image.pixel($0, row, column)
        }
        same += isSame ? 1 : 0
      }
    }
    return 2 * same > all
  }
}
