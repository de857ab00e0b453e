import MecaCore
import MecaTraining

/// What the final model takes test images for, as the page's template takes it: a table, or of many
/// classes the pairs that are taken for each other most.
struct ConfusionSection {
  private let title: String
  private let counts: ConfusionMatrix
  private let className: (Int) -> String

  /// Classes of a table at most.
  static let mostClasses = 20
  /// Pairs that are named of more classes.
  static let pairs = 10
  /// Letters of a class's name at most.
  private static let mostLetters = 40

  init(_ title: String, _ counts: ConfusionMatrix, className: @escaping (Int) -> String) {
    (self.title, self.counts, self.className) = (title, counts, className)
  }

  /// The values of the template.
  var context: [String: Any] {
    let isTable = counts.classCount <= Self.mostClasses
    return [
      "title": title, "isTable": isTable, "columns": isTable ? columns : [],
      "rows": isTable ? rows : [], "pairs": isTable ? [] : mostConfused,
      "count": counts.all.count,
    ]
  }

  private func name(_ label: Int) -> String {
    let name = className(label)
    return name.count <= Self.mostLetters ? name : name.prefix(Self.mostLetters - 1) + "…"
  }

  private var columns: [[String: Any]] {
    (0..<counts.classCount).map { ["number": $0, "name": name($0)] }
  }

  private var rows: [[String: Any]] {
    counts.perClass.enumerated().map { label, row in
      let cells = (0..<counts.classCount).map { prediction -> [String: Any] in
        let samples = counts[label, prediction]
        // The root, so that few are seen beside many.
        let share = (Double(samples) / Double(max(1, row.count))).squareRoot()
        let kind = samples == 0 ? "none" : prediction == label ? "right" : "wrong"
        return ["count": samples, "share": fixed(share, 2), "kind": kind]
      }
      return ["number": label, "name": name(label), "cells": cells]
    }
  }

  private var mostConfused: [[String: Any]] {
    let sizes = counts.perClass.map(\.count)
    var pairs: [(count: Int, label: Int, prediction: Int)] = []
    for label in 0..<counts.classCount {
      for prediction in 0..<counts.classCount where prediction != label {
        let count = counts[label, prediction]
        if count > 0 { pairs.append((count, label, prediction)) }
      }
    }
    pairs.sort { (-$0.count, $0.label, $0.prediction) < (-$1.count, $1.label, $1.prediction) }
    return pairs.prefix(Self.pairs).map { pair in
      let share = Double(pair.count) / Double(max(1, sizes[pair.label]))
      return [
        "label": name(pair.label), "prediction": name(pair.prediction), "count": pair.count,
        "share": fixed(share * 100, 1) + " %",
      ]
    }
  }
}
