import Foundation
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaTraining

/// Writes `suspects.csv`: one line a flagged sample, by index.
///
/// Columns: index, path, label, verdict, relabelled_as (empty where the defence gives no new
/// labels), score, the defence's own columns and, where the ground truth is known, truth (clean,
/// poison, cover) and original_label.
///
/// - Ranks: local; rank 0 alone should call it.
public func writeSuspects(_ verdict: Verdict, data: TrainingData, to path: String) throws {
  var text = "index,path,label,verdict,relabelled_as,score"
  for column in verdict.columns { text += "," + quoted(column.name) }
  text += data.truthIsKnown ? ",truth,original_label\n" : "\n"
  for index in verdict.flagged.indices where verdict.flagged[index] {
    var fields = [
      "\(index)", quoted(data.training.path(at: index)), "\(data.labels[index])", "suspect",
      verdict.relabelled.map { "\($0[index])" } ?? "", "\(verdict.score[index])",
    ]
    fields += verdict.columns.map { "\($0.values[index])" }
    if let truth = data.truth {
      fields.append("\(truth.roles[index])")
      fields.append("\(truth.originalLabels[index])")
    }
    text += fields.joined(separator: ",") + "\n"
  }
  try writeWhole(Data(text.utf8), to: path)
}

/// Writes `scores.npy`: a row a sample; flagged (1 or 0), score, and the defence's own columns.
///
/// Their names stand in `result.json` under `detection.score_columns`.
///
/// - Ranks: local; rank 0 alone should call it.
public func writeScores(_ verdict: Verdict, to path: String) throws {
  let columns = [verdict.flagged.map { $0 ? 1 : 0 }, verdict.score] + verdict.columns.map(\.values)
  try writeNumpy(
    verdict.flagged.indices.flatMap { index in columns.map { $0[index] } },
    columns: columns.count, to: path)
}

/// A CSV field, quoted where RFC 4180 asks for it.
package func quoted(_ field: String) -> String {
  guard field.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return field }
  return "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\""
}
