import Foundation
import MecaAttacks
import MecaCore
import MecaTraining

/// One training sample that the detection flagged.
public struct Suspect: Sendable {
  /// Index in the training set.
  public var index: Int
  /// Class that the cleaned model gives it.
  public var relabelledAs: Int
  /// Perturbation KL, nats.
  public var divergence: Float
  /// log10 of the cross entropy under the enhanced model.
  public var evidence: Float
  /// Share of the spare class in the confirmation, 0 to 1.
  public var spareShare: Float

  /// All values.
  public init(
    index: Int, relabelledAs: Int, divergence: Float, evidence: Float, spareShare: Float
  ) {
    self.index = index
    self.relabelledAs = relabelledAs
    self.divergence = divergence
    self.evidence = evidence
    self.spareShare = spareShare
  }
}

/// Writes `suspects.csv`: one line a flagged sample, by index.
///
/// Columns: index, path, label, verdict, relabelled_as, kl, log10_loss, spare_share and, where the
/// ground truth is known, truth (clean, poison, cover) and original_label.
public func writeSuspects(_ suspects: [Suspect], data: TrainingData, to path: String) throws {
  var text = "index,path,label,verdict,relabelled_as,kl,log10_loss,spare_share"
  text += data.truthIsKnown ? ",truth,original_label\n" : "\n"
  for suspect in suspects.sorted(by: { $0.index < $1.index }) {
    var fields = [
      "\(suspect.index)", quoted(data.training.path(at: suspect.index)),
      "\(data.labels[suspect.index])", "suspect", "\(suspect.relabelledAs)",
      "\(suspect.divergence)", "\(suspect.evidence)", "\(suspect.spareShare)",
    ]
    if let truth = data.truth {
      fields.append("\(truth.roles[suspect.index])")
      fields.append("\(truth.originalLabels[suspect.index])")
    }
    text += fields.joined(separator: ",") + "\n"
  }
  try writeWhole(Data(text.utf8), to: path)
}

/// A CSV field, quoted where RFC 4180 asks for it.
package func quoted(_ field: String) -> String {
  guard field.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return field }
  return "\"" + field.replacingOccurrences(of: "\"", with: "\"\"") + "\""
}
