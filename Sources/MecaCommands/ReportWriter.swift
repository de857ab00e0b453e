import Foundation
import MecaCore
import MecaReport
import MecaTraining

/// Keeps the report of a run up to date: what is known so far, and the page that shows it.
///
/// - Ranks: local; writes on rank 0 alone.
final class ReportWriter {
  /// What is known so far.
  var result: RunResult
  /// What the models so far take the test samples for.
  var confusion = ConfusionTable()
  private let folder: RunFolder
  private let journal: Journal
  private let isWriter: Bool
  private var hasComplained = false

  /// A report on the run in `folder`, of which nothing is known yet.
  init(_ result: RunResult, folder: RunFolder, journal: Journal, isWriter: Bool) {
    (self.result, self.folder) = (result, folder)
    (self.journal, self.isWriter) = (journal, isWriter)
  }

  /// Writes the page.
  ///
  /// A page that cannot be written costs a warning, and not the run.
  ///
  /// - Parameter stage: what the run is doing; nil at its end.
  func write(stage: String?) {
    guard isWriter else { return }
    do {
      let report = try RunReport(
        folder, stage: stage, result: result, confusion: confusion)
      try writeWhole(Data(report.html().utf8), to: folder.report)
    } catch {
      if !hasComplained { journal.warn("\(error); there is no report.html for now") }
      hasComplained = true
    }
  }
}
