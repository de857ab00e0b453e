import Foundation
import MecaCore
import MecaTraining

/// What the models of the closing table take test samples for: the content of `confusion.csv`.
///
/// A line for each pair of classes that came up, so that many classes make no long file.
public struct ConfusionTable: Sendable, Equatable {
  /// A model's counts under its title in the closing table.
  public struct Entry: Sendable, Equatable {
    /// What people call the model.
    public var title: String
    /// Its counts.
    public var counts: ConfusionMatrix
  }

  /// In the order in which the models came about.
  public private(set) var entries: [Entry] = []

  /// Of no model yet.
  public init() {}

  /// Adds a model.
  public mutating func add(_ title: String, _ counts: ConfusionMatrix) {
    entries.append(Entry(title: title, counts: counts))
  }

  /// The counts of the model called `title`.
  public subscript(title: String) -> ConfusionMatrix? {
    entries.first { $0.title == title }?.counts
  }

  private static let head =
    "model,true_class,predicted_class,count,true_label,predicted_label"

  /// The file's text.
  public func csv(classNames: [String]) -> String {
    let names = classNames.map(csvText)
    var text = Self.head + "\n"
    for entry in entries {
      let title = csvText(entry.title)
      for label in 0..<entry.counts.classCount {
        for prediction in 0..<entry.counts.classCount {
          let count = entry.counts[label, prediction]
          guard count > 0 else { continue }
          text += "\(title),\(names[label]),\(names[prediction]),\(count),\(label),\(prediction)\n"
        }
      }
    }
    return text
  }

  /// Reads the file's text.
  ///
  /// - Returns: nil for a text that is none.
  public init?(csv: String, classCount: Int) {
    guard let rows = csvRows(csv), rows.first == Self.head.split(separator: ",").map(String.init)
    else { return nil }
    for row in rows.dropFirst() {
      guard row.count == 6, let samples = Int32(row[3]), samples > 0, let label = Int(row[4]),
        let prediction = Int(row[5]), 0..<classCount ~= label, 0..<classCount ~= prediction
      else { return nil }
      if entries.last?.title != row[0] {
        add(row[0], ConfusionMatrix(classCount: classCount))
      }
      guard Int(samples) + entries[entries.count - 1].counts[label, prediction] <= Int32.max else {
        return nil
      }
      entries[entries.count - 1].counts.add(
        label: label, prediction: prediction, samples: Int(samples))
    }
  }
}
