import ArgumentParser
import Foundation
import MecaCore
import MecaData
import MecaMPI
import MecaNN
import MecaTensor
import MecaTraining

/// Throughput of training, evaluation and scoring on this machine.
struct Bench: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure images per second of training, evaluation and scoring.")

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Compute") var compute: ComputeOptions

  @Option(help: "Samples a measured pass goes over.")
  var samples: Int = 512

  @Option(help: "Measured passes; the median counts.")
  var repeats: Int = 5

  @Flag(help: "Also measure every layer, of training and of evaluation.")
  var layers = false

  @Flag(help: "Print one JSON line.")
  var json = false

  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?

  func validate() throws {
    try requireAtLeast(1, repeats, "--repeats")
    try requireAtLeast(1, samples, "--samples")
    try requireAtMost(DataOptions.mostShapes, samples, "--samples")
  }

  func run(on communicator: Communicator) throws {
    let layout = compute.resolved()
    let session = try TrainingSession(
      communicator: communicator, compute: layout,
      journal: try Journal(metricsPath: nil, isWriter: false, logger: progressLogger(quiet: true)))
    let data = try TrainingData(
      DataConfiguration(
        dataset: .shapes, path: nil, seed: 1, trainLimit: samples, testLimit: samples),
      attack: .init(kind: .none), communicator: communicator)
    let (mean, deviation) = data.training.meanAndDeviation
    let network = NetworkConfiguration(
      architecture: model.model, width: model.width ?? model.model.usualWidth,
      classCount: data.classCount,
      imageHeight: data.training.imageShape.height, imageWidth: data.training.imageShape.width,
      mean: mean, standardDeviation: deviation)
    try session.requireMemory(for: [network])
    let network0 = try Model(network, engine: session.engine, seed: 1)
    let batches = (samples + layout.batch - 1) / layout.batch
    let figures = BenchFigures(
      train: try rate(session, images: batches * layout.batch) {
        try session.train(
          network0, on: data.training,
          phase: TrainingPhase(
            name: "bench", groups: [.learn(data.allIndices, shards: layout.shards)],
            labels: data.labels,
            recipe: TrainingRecipe(epochs: 1, learningRate: 0.01, schedule: .constant),
            orderKey: 0))
      },
      eval: try rate(session, images: samples) {
        _ = try session.evaluate(network0, on: data.training)
      },
      score: try rate(session, images: samples) {
        _ = try session.score(
          network0, on: data.training, indices: data.allIndices, labels: data.labels,
          perturbation: PerturbationConfiguration(), round: 0)
      },
      rssMegabytes: peakMemoryMegabytes(), model: model.model.rawValue,
      width: network.width, ranks: communicator.size, threads: layout.threads,
      batch: layout.batch, precision: layout.precision.rawValue,
      engine: session.engine.kind.rawValue)
    if layers {
      let tables = try [true, false].map {
        try LayerTable(
          model: network0, microbatch: $0 ? layout.microbatch : TrainingSession.evaluationBatch,
          training: $0, passes: repeats)
      }
      if communicator.rank == 0 { for table in tables { print(table.text, "\n") } }
    }
    guard communicator.rank == 0 else { return }
    print(json ? try figures.jsonLine() : figures.table)
  }

  /// Images per second over all ranks, the median of the repeats after one unmeasured pass.
  ///
  /// - Ranks: collective; the slowest rank counts.
  private func rate(
    _ session: TrainingSession, images: Int, _ pass: () throws -> Void
  ) throws -> Double {
    var rates: [Double] = []
    for repetition in 0...repeats {
      try session.communicator.barrier()
      let begin = session.journal.seconds
      try pass()
      try session.communicator.barrier()
      if repetition > 0 { rates.append(Double(images) / (session.journal.seconds - begin)) }
    }
    return rates.sorted()[rates.count / 2]
  }
}

/// The figures of one benchmark run; rates in images per second over all ranks.
struct BenchFigures: Codable {
  var train: Double
  var eval: Double
  var score: Double
  var rssMegabytes: Double
  var model: String
  var width: Int
  var ranks: Int
  var threads: Int
  var batch: Int
  var precision: String
  var engine: String

  private enum CodingKeys: String, CodingKey {
    case train, eval, score, model, width, ranks, threads, batch, precision, engine
    case rssMegabytes = "rss_mb"
  }

  func jsonLine() throws -> String {
    var rounded = self
    rounded.train = (train * 10).rounded() / 10
    rounded.eval = (eval * 10).rounded() / 10
    rounded.score = (score * 10).rounded() / 10
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(rounded), as: UTF8.self)
  }

  var table: String {
    """
    \(model), width \(width), \(engine) \(precision), \(ranks) ranks x \(threads) threads, \
    batch \(batch)
      training    \(fixed(train, 1)) images/s
      evaluation  \(fixed(eval, 1)) images/s
      scoring     \(fixed(score, 1)) images/s
      peak memory of rank 0: \(fixed(rssMegabytes, 0)) MB
    """
  }
}

/// Largest resident set of this process so far, MB.
func peakMemoryMegabytes() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return (Double(usage.ru_maxrss) / 1024).rounded()
}
