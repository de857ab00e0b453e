import MecaTraining

/// The same 3x3 pixels at the same place in many samples: a pasted trigger.
///
/// For each place and each content that occurs there, how unlikely is it that so many of its samples
/// have one label? `log10 P(X ≥ k)`, X hypergeometric: of all N samples n carry the label, K show
/// this content here, k do both. Photographs hardly ever repeat nine pixels exactly, except for
/// plain areas; so a window of one colour counts only where less than half of the ring around it has
/// that colour too: the edge of a pasted square does, the white ground of a product's picture does not.
///
/// Where so many have one label, it is a patch. Where no label is preferred, and one in a hundred of
/// all samples shows the window, it is a stamp of every label that has it often enough: the trigger of
/// an all-to-all attack, or a mark on everything; its strength is the share of all samples, per cent.
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
  /// Told which of this rank's cells is looked at.
  var progress: (_ cell: Int, _ count: Int) -> Void = { _, _ in }

  /// What a sample shares with enough others.
  private struct Grade: OptionSet {
    let rawValue: UInt8
    static let weak = Grade(rawValue: 1)
    static let strong = Grade(rawValue: 2)
    static let stamp = Grade(rawValue: 4)
  }

  /// A window, and how much it says: the smaller, the more.
  private struct Place {
    var value = 0.0
    var row = 0
    var column = 0

    static let width = 3

    init() {}

    init(_ value: Double, _ row: Int, _ column: Int) {
      (self.value, self.row, self.column) = (value, row, column)
    }

    init(numbers: ArraySlice<Float>) {
      let own = numbers.map { Double($0) }
      self.init(own[0], Int(own[1]), Int(own[2]))
    }

    var numbers: [Float] { [Float(value), Float(row), Float(column)] }
  }

  /// What one cell has found.
  private struct Found {
    var grades: [Grade]
    /// For each label the smallest log10 probability; then the stamp that most samples have, minus
    /// their share in per cent.
    var places: [Place]
  }

  /// The findings, by label.
  ///
  /// - Ranks: collective; every rank returns the same.
  func findings() throws -> [Finding] {
    let sizes = membersOfLabels(labels).map(\.count)
    let ownCells = cells.ownCells
    let own = ownCells.enumerated().map { place, cell in
      progress(place + 1, ownCells.count)
      let found = search(cell, sizes: sizes)
      return found.grades.map { Float($0.rawValue) } + found.places.flatMap(\.numbers)
    }
    let all = try cells.gathered(own, each: labels.count + Place.width * (sizes.count + 1))
    func best(_ index: Int) -> Place {
      let begin = labels.count + Place.width * index
      return all.map { Place(numbers: $0[begin..<begin + Place.width]) }
        .min { $0.value < $1.value } ?? Place()
    }
    func members(_ label: Int, _ grade: Grade) -> [Int32] {
      labels.indices.filter { sample in
        Int(labels[sample]) == label
          && all.contains { Grade(rawValue: UInt8($0[sample])).contains(grade) }
      }.map { Int32($0) }
    }
    let stamp = best(sizes.count)
    return sizes.indices.compactMap { label in
      let place = best(label)
      if -place.value >= ForensicSettings.weakPatch {
        let isStrong = -place.value >= Finding.Kind.patch.strong
        return finding(
          label, .patch, place, isStrong: isStrong, members(label, isStrong ? .strong : .weak))
      }
      let stamped = members(label, .stamp)
      return stamped.count >= ForensicSettings.patchSamples
        ? finding(label, .stamp, stamp, isStrong: false, stamped) : nil
    }
  }

  private func finding(
    _ label: Int, _ kind: Finding.Kind, _ place: Place, isStrong: Bool, _ suspects: [Int32]
  ) -> Finding {
    Finding(
      label: label, kind: kind, strength: -place.value, isStrong: isStrong,
      rows: place.row..<place.row + Self.side, columns: place.column..<place.column + Self.side,
      suspects: suspects)
  }

  /// Looks at every window whose first pixel lies in a cell.
  private func search(_ cell: PixelCells.Cell, sizes: [Int]) -> Found {
    var found = Found(
      grades: [Grade](repeating: [], count: labels.count),
      places: [Place](repeating: Place(), count: sizes.count + 1))
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

  /// Whether samples with the same window have one label too often, or are many without.
  private func judge(
    _ samples: [Int], _ row: Int, _ column: Int, _ sizes: [Int], _ found: inout Found
  ) {
    var counts = [Int](repeating: 0, count: sizes.count)
    for sample in samples { counts[Int(labels[sample])] += 1 }
    var isPreferred = false
    for label in sizes.indices where counts[label] >= ForensicSettings.patchSamples {
      let tail = hypergeometricTail(
        counts[label], drawn: sizes[label], marked: samples.count, count: labels.count)
      guard -tail >= ForensicSettings.weakPatch else { continue }
      isPreferred = true
      if tail < found.places[label].value { found.places[label] = Place(tail, row, column) }
      let grade: Grade = -tail >= Finding.Kind.patch.strong ? [.weak, .strong] : .weak
      for sample in samples where Int(labels[sample]) == label {
        found.grades[sample].formUnion(grade)
      }
    }
    let share = Double(samples.count) / Double(labels.count)
    guard !isPreferred, share >= ForensicSettings.stampShare else { return }
    if -100 * share < found.places[sizes.count].value {
      found.places[sizes.count] = Place(-100 * share, row, column)
    }
    for sample in samples { found.grades[sample].formUnion(.stamp) }
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
