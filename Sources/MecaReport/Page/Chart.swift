import MecaCore

/// A chart as SVG: axes, gridlines, and whatever is drawn within; its names are for the caption.
///
/// Colours come from the page (`--one` and so on), so that they suit a light and a dark one. Every text
/// is escaped; what a chart shows is said in words too, for those who do not see it.
struct Chart {
  /// The picture.
  let svg: String
  /// What its colours stand for; empty where there is one alone.
  let keys: [(colour: String, name: String)]

  private init(_ body: String, _ names: [String], words: String, height: Double = height) {
    svg =
      "<svg viewBox=\"0 0 \(fixed(Self.width, 0)) \(fixed(height, 0))\" role=\"img\" "
      + "aria-label=\"\(escaped(words))\">\(body)</svg>"
    keys =
      names.count < 2 ? [] : names.enumerated().map { (Self.colour($0.offset), $0.element) }
  }

  /// A line through points.
  struct Line {
    var name: String
    var points: [(x: Double, y: Double)]
  }

  /// Bars beside each other, one of each name for every group.
  struct Bars {
    var names: [String]
    var groups: [(name: String, values: [Double?])]
  }

  private static let (width, height) = (560.0, 260.0)
  private static let (left, right, top, bottom) = (52.0, 12.0, 14.0, 40.0)
  private static let colours = ["one", "two", "three", "four", "five", "six"]

  /// Lines over a common axis.
  ///
  /// - Parameter words: what is to be seen, for people who do not see it.
  static func lines(
    _ lines: [Line], x: String, y: String, range: ClosedRange<Double>? = nil, words: String
  ) -> Chart {
    let points = lines.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let xs = span(points.map(\.x))
    let ys = range ?? span(points.map(\.y))
    let isCounted = points.allSatisfy { $0.x == $0.x.rounded() }
    var body = axes(xs, ys, x: x, y: y, isCounted: isCounted)
    for (number, line) in lines.enumerated() {
      let path = line.points.filter { $0.x.isFinite && $0.y.isFinite }.map {
        "\(place($0.x, xs, left, width - right)),\(place($0.y, ys, height - bottom, top))"
      }
      body +=
        "<polyline class=\"line \(colour(number))\" points=\"\(path.joined(separator: " "))\"/>"
    }
    return Chart(body, lines.map(\.name), words: words)
  }

  /// Two distributions over the same bins, each as a share of its own number, on a square-root scale so
  /// that few samples are seen beside many.
  static func histogram(_ histogram: RunEvidence.Histogram, words: String) -> Chart {
    let rows = [histogram.kept, histogram.flagged]
    func share(_ count: Int, _ row: [Int]) -> Double {
      (Double(count) / Double(max(1, row.reduce(0, +)))).squareRoot()
    }
    let most = rows.flatMap { row in row.map { share($0, row) } }.max() ?? 1
    let xs = (histogram.edges.first ?? 0)...(histogram.edges.last ?? 1)
    let ys = 0...(most > 0 ? most : 1)
    var body = axes(xs, ys, x: histogram.name, y: "√ share")
    for (number, row) in rows.enumerated() {
      for (bin, count) in row.enumerated() where count > 0 {
        let begin = place(histogram.edges[bin], xs, left, width - right)
        let end = place(histogram.edges[bin + 1], xs, left, width - right)
        let high = place(share(count, row), ys, height - bottom, top)
        body +=
          "<rect class=\"bar \(colour(number))\" x=\"\(fixed(begin, 1))\" y=\"\(fixed(high, 1))\" "
          + "width=\"\(fixed(max(1, end - begin - 0.5), 1))\" "
          + "height=\"\(fixed(height - bottom - high, 1))\"/>"
      }
    }
    return Chart(body, ["kept", "flagged"], words: words)
  }

  /// Shares from 0 to 1, a group for each class.
  static func bars(_ bars: Bars, words: String) -> Chart {
    let row = 7.0 * Double(bars.names.count) + 8
    let tall = Double(bars.groups.count) * row + top + 24
    let begin = 130.0
    let right = 28.0
    let xs = 0.0...1.0
    var body = ""
    for tick in stride(from: 0.0, through: 1.0, by: 0.25) {
      let x = fixed(place(tick, xs, begin, width - right), 1)
      body += "<line class=\"grid\" x1=\"\(x)\" x2=\"\(x)\" y1=\"\(top)\" y2=\"\(tall - 24)\"/>"
      body += text(
        fixed(tick * 100, 0) + " %", x: x, y: fixed(tall - 8, 1), anchor: "middle")
    }
    for (place, group) in bars.groups.enumerated() {
      let high = top + Double(place) * row
      body += text(
        shortened(group.name), x: fixed(begin - 6, 1), y: fixed(high + row / 2 + 1, 1),
        anchor: "end")
      for (number, value) in group.values.enumerated() {
        guard let value else { continue }
        body +=
          "<rect class=\"solid \(colour(number))\" x=\"\(begin)\" "
          + "y=\"\(fixed(high + Double(number) * 7 + 2, 1))\" "
          + "width=\"\(fixed((width - right - begin) * value, 1))\" height=\"6\"/>"
      }
    }
    return Chart(body, bars.names, words: words, height: tall)
  }

  /// Values over a plane, the stronger the larger; what is no number stays empty.
  ///
  /// - Parameters:
  ///   - values: row by row, the lowest first, each of as many.
  ///   - sides: what the rows, and the values of each, reach over.
  ///   - range: where the colour begins and ends.
  static func map(
    _ values: [[Double?]], sides: ClosedRange<Double>, range: ClosedRange<Double>, x: String,
    y: String, words: String
  ) -> Chart {
    var body = axes(sides, sides, x: x, y: y)
    let rowHeight = (height - top - bottom) / Double(max(1, values.count))
    for (row, line) in values.enumerated() {
      let cellWidth = (width - left - right) / Double(max(1, line.count))
      for (column, value) in line.enumerated() {
        guard let value, value.isFinite else { continue }
        let shade = place(value, range, 0.04, 1)
        body +=
          "<rect class=\"one\" x=\"\(fixed(left + Double(column) * cellWidth, 1))\" "
          + "y=\"\(fixed(height - bottom - Double(row + 1) * rowHeight, 1))\" "
          + "width=\"\(fixed(cellWidth + 0.2, 1))\" height=\"\(fixed(rowHeight + 0.2, 1))\" "
          + "fill-opacity=\"\(fixed(shade, 2))\"/>"
      }
    }
    return Chart(body, [], words: words)
  }

  // MARK: - Parts

  private static func colour(_ number: Int) -> String { colours[number % colours.count] }

  /// Names of classes may be of any length.
  private static func shortened(_ name: String) -> String {
    name.count <= 18 ? name : name.prefix(17) + "…"
  }

  /// From the least to the largest of some values, and never of no length.
  static func span(_ values: [Double]) -> ClosedRange<Double> {
    guard let least = values.min(), let most = values.max() else { return 0...1 }
    return least < most ? least...most : (least - 0.5)...(least + 0.5)
  }

  private static func place(
    _ value: Double, _ range: ClosedRange<Double>, _ begin: Double, _ end: Double
  ) -> Double {
    let share = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    return begin + min(1, max(0, share)) * (end - begin)
  }

  /// - Parameter isCounted: whether there is nothing between whole numbers of x.
  private static func axes(
    _ xs: ClosedRange<Double>, _ ys: ClosedRange<Double>, x: String, y: String,
    isCounted: Bool = false
  ) -> String {
    var body = ""
    for down in quarters(ys) {
      let row = fixed(place(down, ys, height - bottom, top), 1)
      body +=
        "<line class=\"grid\" x1=\"\(left)\" x2=\"\(width - right)\" y1=\"\(row)\" y2=\"\(row)\"/>"
      body += text(brief(down), x: fixed(left - 5, 1), y: row, anchor: "end")
    }
    for at in isCounted ? wholeNumbers(xs) : quarters(xs) {
      let column = fixed(place(at, xs, left, width - right), 1)
      body += text(brief(at), x: column, y: fixed(height - bottom + 14, 1), anchor: "middle")
    }
    body += text(x, x: fixed((left + width) / 2, 1), y: fixed(height - 4, 1), anchor: "middle")
    return body + text(y, x: fixed(left + 5, 1), y: "10", anchor: "start")
  }

  private static func quarters(_ range: ClosedRange<Double>) -> [Double] {
    (0...4).map { range.lowerBound + Double($0) / 4 * (range.upperBound - range.lowerBound) }
  }

  /// At most seven whole numbers of a range, equally far from each other.
  private static func wholeNumbers(_ range: ClosedRange<Double>) -> [Double] {
    let step = max(1, ((range.upperBound - range.lowerBound) / 6).rounded(.up))
    return Array(stride(from: range.lowerBound.rounded(.up), through: range.upperBound, by: step))
  }

  private static func brief(_ value: Double) -> String {
    let size = abs(value)
    if size != 0 && (size >= 10_000 || size < 0.01) { return "\(Float(fixed(value, 6)) ?? 0)" }
    return fixed(value, size >= 100 || value == value.rounded() ? 0 : size >= 1 ? 1 : 2)
  }

  private static func text(_ text: String, x: String, y: String, anchor: String) -> String {
    "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\">\(escaped(text))</text>"
  }
}
