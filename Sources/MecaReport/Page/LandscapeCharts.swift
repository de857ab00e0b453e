import MecaCore
import MecaTraining

/// Charts of the loss around a flagged sample and around a kept one, with the same colours.
struct LandscapeCharts {
  /// Each with what it shows in words.
  let charts: [(chart: Chart, words: String)]

  /// - Parameter label: the class's name.
  init(_ landscapes: [RunEvidence.Landscape], label: String) {
    let values = landscapes.map { landscape in
      landscape.loss.losses.map { row in row.map { $0.map { Double($0) } } }
    }
    let range = Chart.span(values.flatMap { $0.flatMap { $0.compactMap(\.self) } })
    charts = zip(landscapes, values).compactMap { landscape, values in
      guard let first = landscape.loss.steps.first, let last = landscape.loss.steps.last,
        first < last
      else { return nil }
      let kind = landscape.isFlagged ? "flagged" : "kept"
      let words =
        "Loss of the undefended model around the \(kind) sample \(landscape.loss.index) of \(label), "
        + "from \(fixed(range.lowerBound, 2)) (faint) to \(fixed(range.upperBound, 2)) nats (strong)"
      return (
        Chart.map(
          values, sides: first...last, range: range, x: "along the gradient",
          y: "along a random direction", words: words), words
      )
    }
  }
}
