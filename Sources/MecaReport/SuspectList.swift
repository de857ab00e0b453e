import Foundation
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaTraining

/// Writes `suspects.csv`: one line a flagged sample, the most certain first, then those that are
/// suspected without confirmation and were kept (`unconfirmed` in the column verdict).
///
/// Columns: index, path, label, class, verdict, relabelled_as and relabelled_class (empty where the
/// defence gives no new labels), score, the defence's own columns and, where the ground truth is
/// known, truth (clean, poison, cover) and original_label.
///
/// - Ranks: local; rank 0 alone should call it.
public func writeSuspects(_ verdict: Verdict, data: TrainingData, to path: String) throws {
  try writeWhole(Data(verdictRows(verdict, verdict.ranked, data: data).utf8), to: path)
}

/// Writes `ranking.csv`: a line for every training sample, the suspects first and then the others by
/// their score; the columns of `suspects.csv`, with `kept` under verdict for the others.
///
/// - Ranks: local; rank 0 alone should call it.
public func writeRanking(_ verdict: Verdict, data: TrainingData, to path: String) throws {
  let suspects = verdict.ranked
  let isListed = Set(suspects)
  let others = verdict.score.indices.filter { !isListed.contains($0) }.sorted {
    (-verdict.score[$0], $0) < (-verdict.score[$1], $1)
  }
  try writeWhole(Data(verdictRows(verdict, suspects + others, data: data).utf8), to: path)
}

/// A head and a line for each of some samples.
private func verdictRows(_ verdict: Verdict, _ samples: [Int], data: TrainingData) -> String {
  let classNames = data.training.classNames
  var text = "index,path,label,class,verdict,relabelled_as,relabelled_class,score"
  for column in verdict.columns { text += "," + csvText(column.name) }
  text += data.truthIsKnown ? ",truth,original_label\n" : "\n"
  for index in samples {
    let label = Int(data.labels[index])
    let relabelled = verdict.relabelled.map { Int($0[index]) }
    let isUnconfirmed = index < verdict.unconfirmed.count && verdict.unconfirmed[index]
    var fields = [
      "\(index)", csvText(data.training.path(at: index)), "\(label)", csvText(classNames[label]),
      verdict.flagged[index] ? "suspect" : isUnconfirmed ? "unconfirmed" : "kept",
      relabelled.map { "\($0)" } ?? "", relabelled.map { csvText(classNames[$0]) } ?? "",
      "\(verdict.score[index])",
    ]
    fields += verdict.columns.map { "\($0.values[index])" }
    if let truth = data.truth {
      fields.append("\(truth.roles[index])")
      fields.append("\(truth.originalLabels[index])")
    }
    text += fields.joined(separator: ",") + "\n"
  }
  return text
}

extension Verdict {
  /// The flagged samples and then the unconfirmed ones, the most certain first; of equally certain
  /// ones those of the higher score, then of the lower index.
  var ranked: [Int] {
    func ordered(_ samples: [Int]) -> [Int] {
      samples.sorted {
        (-certainty[$0], -score[$0], $0) < (-certainty[$1], -score[$1], $1)
      }
    }
    return ordered(flagged.indices.filter { flagged[$0] })
      + ordered(unconfirmed.indices.filter { unconfirmed[$0] && !flagged[$0] })
  }
}

/// Writes `scores.npy`: a row a sample; flagged (1 or 0), score, and the defence's own columns.
///
/// Their names stand in `result.json` under `detection.score_columns`, whose sample each row is in
/// `samples.csv`.
///
/// - Ranks: local; rank 0 alone should call it.
public func writeScores(_ verdict: Verdict, to path: String) throws {
  let columns = [verdict.flagged.map { $0 ? 1 : 0 }, verdict.score] + verdict.columns.map(\.values)
  try writeNumpy(
    verdict.flagged.indices.flatMap { index in columns.map { $0[index] } },
    columns: columns.count, to: path)
}

/// Writes `samples.csv`: one line a sample, training samples first, in the order of their indices.
///
/// Columns: index (within its split; that of the rows of `scores.npy` and of `suspects.csv` for
/// training samples), path, label, class, split (train, test).
///
/// - Ranks: local; rank 0 alone should call it.
public func writeSamples(_ data: TrainingData, to path: String) throws {
  try writeWhole(Data(samplesList(data).utf8), to: path)
}

/// Makes sure that scores find their list of samples beside them: writes `samples.csv` into the folder
/// of a file of scores, where it is not there yet.
///
/// - Ranks: local; rank 0 alone should call it.
/// - Throws: `UsageError` if that folder has a list of other samples; `FileError.failed`.
public func writeSamples(_ data: TrainingData, beside scores: String) throws {
  let folder = scores.lastIndex(of: "/").map { String(scores[...$0]) } ?? ""
  let (path, list) = (folder + "samples.csv", Array(samplesList(data).utf8))
  if access(path, F_OK) == 0 {
    // Its test samples may be others: no scores are theirs.
    func training(_ list: [UInt8]) -> [UInt8] {
      list.split(separator: 10).filter { $0.suffix(6).elementsEqual(",train".utf8) }.flatMap { $0 }
    }
    guard training(try readFile(at: path)) != training(list) else { return }
    throw UsageError.conflict(
      "--output \(scores): \(path) lists other samples, of scores or a run that are there; choose "
        + "another folder")
  }
  try writeWhole(Data(list), to: path)
}

private func samplesList(_ data: TrainingData) -> String {
  let classNames = data.training.classNames.map(csvText)
  var text = "index,path,label,class,split\n"
  for index in 0..<data.training.count {
    let label = Int(data.labels[index])
    text +=
      "\(index),\(csvText(data.training.path(at: index))),\(label),\(classNames[label]),train\n"
  }
  for index in 0..<data.test.count {
    let label = data.test.label(at: index)
    text += "\(index),\(csvText(data.test.path(at: index))),\(label),\(classNames[label]),test\n"
  }
  return text
}
