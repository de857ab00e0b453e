import ArgumentParser
import Foundation
import MecaCore
import MecaImages
import MecaMPI
import MecaNN
import MecaReport
import MecaTraining

/// The perturbation of the robustness score.
struct PerturbationOptions: ParsableArguments {
  @Option(help: "Side of the perturbed square, pixels.")
  var patchSize: Int = 2

  @Option(help: "Largest perturbation, of 255.")
  var epsilon: Float = 16

  @Option(help: "Squares drawn for each score.")
  var masks: Int = 1

  /// The perturbation, checked as far as it can be without the images.
  ///
  /// - Throws: `SettingError`.
  func resolved() throws -> PerturbationConfiguration {
    try requireAtLeast(1, patchSize, "patch-size")
    try requirePositive(epsilon, "epsilon")
    try requireBetween(1, 256, masks, "masks")
    return PerturbationConfiguration(patchSize: patchSize, epsilon: epsilon, masks: masks)
  }
}

/// Perturbation KL and loss of every training sample under a stored model (Algorithm 1's scores).
struct Score: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score every training sample: perturbation KL, loss and prediction.")

  @OptionGroup var options: StoredModelOptions

  @OptionGroup(title: "Perturbation") var perturbation: PerturbationOptions

  @Option(
    help: """
      File for the scores: NumPy float32 [samples, 3] with KL, loss, prediction; samples.csv beside \
      it says which sample each row is.
      """)
  var output: String = "scores.npy"

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output: must name a file") }
  }

  func run(on communicator: Communicator) throws {
    let perturbation = try communicator.collectively {
      if communicator.rank == 0 { try requireReplaceable(output) }
      return try self.perturbation.resolved()
    }
    let (session, data, model) = try options.open(on: communicator, for: Self.self)
    try communicator.collectively {
      try perturbation.validate(imageShape: data.training.imageShape)
      if communicator.rank == 0 { try writeSamples(data, beside: output) }
    }
    let records = try session.score(
      model, on: data.training, indices: data.allIndices, labels: data.labels,
      perturbation: perturbation, key: StageKey("score"))
    try communicator.collectively {
      try data.watch.check()
      guard communicator.rank == 0 else { return }
      try writeNumpy(
        records.flatMap { [$0.divergence, $0.loss, Float($0.prediction)] }, columns: 3,
        to: output)
      var digest = SHA256Digest()
      digest.update(records)
      printLines("\(records.count) samples scored, written to \(printable(output))")
      print("scores_sha256 \(digest.hexadecimal())")
    }
  }
}
