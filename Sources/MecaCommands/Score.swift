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

  @Option(help: "Side of the perturbed square, pixels.")
  var patchSize: Int = 2

  @Option(help: "Largest perturbation, of 255.")
  var epsilon: Float = 16

  @Option(help: "Squares drawn for each score.")
  var masks: Int = 1

  @Option(help: "File for the scores: NumPy float32 [samples, 3] with KL, loss, prediction.")
  var output: String = "scores.npy"

  func validate() throws {
    try requireAtLeast(1, patchSize, "--patch-size")
    try requireAtLeast(1, masks, "--masks")
    try requirePositive(epsilon, "--epsilon")
  }

  func run(on communicator: Communicator) throws {
    try communicator.collectively { if communicator.rank == 0 { try requireReplaceable(output) } }
    let (session, data, model) = try options.open(on: communicator)
    let records = try session.score(
      model, on: data.training, indices: data.allIndices, labels: data.labels,
      perturbation: PerturbationConfiguration(
        patchSize: patchSize, epsilon: epsilon, masks: masks), round: 0)
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
