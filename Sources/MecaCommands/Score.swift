import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaNN
import MecaReport
import MecaTraining

/// Perturbation KL and loss of every training sample under a stored model (Algorithm 1's scores).
struct Score: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score every training sample: perturbation KL, loss and prediction.")

  @OptionGroup var options: StoredModelOptions

  @OptionGroup(title: "Perturbation") var perturbation: PerturbationOptions

  @Option(help: "File for the scores: NumPy float32 [samples, 3] with KL, loss, prediction.")
  var output: String = "scores.npy"

  func run(on communicator: Communicator) throws {
    try communicator.collectively { if communicator.rank == 0 { try requireReplaceable(output) } }
    let (session, data, model) = try options.open(on: communicator)
    try communicator.collectively {
      try perturbation.resolved().validate(imageShape: data.training.imageShape)
    }
    let records = try session.score(
      model, on: data.training, indices: data.allIndices, labels: data.labels,
      perturbation: perturbation.resolved(), round: 0)
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      try writeNumpy(
        records.flatMap { [$0.divergence, $0.loss, Float($0.prediction)] }, columns: 3,
        to: output)
      var digest = SHA256Digest()
      digest.update(records)
      print("\(records.count) samples scored, written to \(output)")
      print("scores_sha256 \(digest.hexadecimal())")
    }
  }
}
