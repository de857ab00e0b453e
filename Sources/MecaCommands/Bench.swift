import ArgumentParser
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTensor
import MecaTraining

/// What `bench` measures.
enum BenchMode: String, CaseIterable {
  case train, eval, score
}

/// Modes as one argument: `train,score`.
struct BenchModes: ExpressibleByArgument {
  var values: [BenchMode]

  init(_ values: [BenchMode]) { self.values = values }

  init?(argument: String) {
    let modes = argument.split(separator: ",", omittingEmptySubsequences: false).map {
      BenchMode(rawValue: String($0))
    }
    guard modes.allSatisfy({ $0 != nil }) else { return nil }
    values = modes.compactMap { $0 }
  }

  var defaultValueDescription: String { values.map(\.rawValue).joined(separator: ",") }
}

/// Throughput of training, evaluation and scoring on this machine.
struct Bench: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure training, evaluation, scoring, the exchange and the data path.")

  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Compute") var compute: ComputeOptions
  @OptionGroup(title: "Data") var data: DataOptions

  @Option(help: "Samples a measured pass goes over.")
  var samples: Int = 512

  @Option(help: "Measured passes; the median counts.")
  var repeats: Int = 5

  @Option(help: "What to measure, comma-separated: train, eval, score.")
  var modes = BenchModes(BenchMode.allCases)

  @Flag(help: "Also measure every layer, of training and of evaluation.")
  var layers = false

  @Flag(help: "Print one JSON line.")
  var json = false

  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?

  @OptionGroup var settings: UnknownWords

  func validate() throws {
    if data.trainLimit != nil || data.testLimit != nil {
      throw ValidationError("--train-limit, --test-limit: bench takes --samples instead")
    }
  }

  /// Checks what no other value decides.
  ///
  /// - Throws: `SettingError`.
  private func check() throws {
    try requireAtLeast(1, repeats, "repeats")
    try requireBetween(1, ShapesFormat.mostSamples, samples, "samples")
  }

  func run(on communicator: Communicator) throws {
    let (width, source) = try communicator.collectively { () throws -> (Int, DataConfiguration) in
      try check()
      return (try model.resolvedWidth(dataset: data.chosen().facts), try measuredData())
    }
    let layout = compute.resolved(ranks: communicator.size)
    let session = try TrainingSession(
      communicator: communicator, compute: layout,
      journal: try Journal(metricsPath: nil, isWriter: false, logger: progressLogger(quiet: true)))
    let opened = try TrainingData(
      source, attack: .none, communicator: communicator, threads: compute.threads)
    try say(opened.opening, on: communicator)
    let set = opened.training
    let (mean, deviation) = set.meanAndDeviation
    let network = NetworkConfiguration(
      architecture: model.model, width: width,
      stem: model.stem.resolved(height: set.imageShape.height, width: set.imageShape.width),
      classCount: set.classNames.count, imageHeight: set.imageShape.height,
      imageWidth: set.imageShape.width, mean: mean, standardDeviation: deviation)
    try session.requireMemory(for: [network], scoring: modes.values.contains(.score))
    let measured = try communicator.collectively {
      try Model(network, engine: session.engine, seed: 1)
    }
    var figures = BenchFigures(
      model: model.model.rawValue, width: network.width, stem: network.stem.rawValue,
      ranks: communicator.size, threads: layout.threads, batch: layout.batch,
      precision: layout.precision.rawValue,
      engine: session.engine.kind.rawValue, kernels: session.engine.fingerprint,
      samples: set.count, peakGigaflops: measuredPeak())
    for mode in modes.values { try measure(mode, measured, session, set, into: &figures) }
    figures.loading = session.loadingRate(of: set, count: 4096)
    // As many pixels as 4096 images of 32 rows and columns have.
    let pixels = set.imageShape.height * set.imageShape.width
    let augmented = max(64, min(4096, (4096 << 10) / pixels))
    figures.loadingCropped = session.loadingRate(
      of: set, count: augmented, augmentation: .cropAndFlip)
    figures.loadingTransformed = session.loadingRate(
      of: set, count: augmented, augmentation: .physical)
    if communicator.size > 1 {
      figures.reductions = try communicator.measureReductions(
        floats: [1 << 14, 1 << 18, 1 << 21, measured.reductionCount], shards: layout.shards)
    }
    if layers {
      figures.layers = try communicator.collectively {
        try [true, false].map {
          try LayerTable(
            model: measured, microbatch: $0 ? layout.microbatch : TrainingSession.evaluationBatch,
            training: $0, passes: repeats)
        }
      }
    }
    (figures.rssMegabytes, figures.anonymousMegabytes) = memoryMegabytes()
    guard communicator.rank == 0 else { return }
    print(json ? try figures.jsonLine() : figures.text)
  }

  /// What is trained on: an image set's first samples.
  private func measuredData() throws -> DataConfiguration {
    let given = try SettingWords(settings.words, of: Self.self).values(of: [try data.owner()])
    var source = try data.resolved(given["dataset"] ?? [:], seed: compute.seed)
    (source.place.trainLimit, source.place.testLimit) = (samples, 1)
    return source
  }

  /// Fills in one mode's images per second over all ranks, and what it would take directly.
  ///
  /// - Ranks: collective; the slowest rank counts.
  private func measure(
    _ mode: BenchMode, _ model: Model, _ session: TrainingSession, _ set: any ImageSet,
    into figures: inout BenchFigures
  ) throws {
    let operations = model.multiplyAdds
    func gigaflops(_ rate: Double, _ multiplyAdds: Int) -> Double {
      rate * 2 * Double(multiplyAdds) / 1e9
    }
    switch mode {
    case .train:
      let rate = try trainingRate(model, session, set)
      (figures.train, figures.trainGigaflops) = (rate, gigaflops(rate, operations.training))
    case .eval:
      let pass = try session.communicator.collectively {
        try session.evaluation(model, on: set)
      }
      let rate = try self.rate(session, images: set.count) {
        _ = try pass.run(Self.indices(of: set))
      }
      (figures.eval, figures.evalGigaflops) = (rate, gigaflops(rate, operations.evaluation))
    case .score:
      let shape = set.imageShape
      let square = PerturbationConfiguration(patchSize: min(2, shape.height, shape.width))
      let pass = try session.communicator.collectively {
        try session.scoring(
          model, on: set, labels: set.labels.map(Int32.init), perturbation: square,
          key: StageKey("bench"))
      }
      let rate = try self.rate(session, images: set.count) {
        _ = try pass.run(Self.indices(of: set))
      }
      (figures.score, figures.scoreGigaflops) = (rate, gigaflops(rate, operations.scoring))
    }
  }

  /// Images per second of the epochs of one training phase but the first.
  private func trainingRate(
    _ model: Model, _ session: TrainingSession, _ set: any ImageSet
  ) throws -> Double {
    var ends: [Double] = []
    try session.train(
      model, on: set, .learning(Self.indices(of: set), labels: set.labels.map(Int32.init)),
      TrainingRecipe(epochs: repeats + 1, learningRate: 0.01, schedule: .constant),
      key: StageKey("bench")
    ) { _, _ in
      try session.communicator.barrier()
      ends.append(session.journal.seconds)
    }
    let batch = session.compute.batch
    let images = (set.count + batch - 1) / batch * batch
    return Double(images) / median(zip(ends.dropFirst(), ends).map { $0 - $1 })
  }

  /// Images per second of a pass, after one that does not count.
  private func rate(
    _ session: TrainingSession, images: Int, _ pass: () throws -> Void
  ) throws -> Double {
    var seconds: [Double] = []
    for repetition in 0...repeats {
      try session.communicator.barrier()
      let begin = session.journal.seconds
      try pass()
      try session.communicator.barrier()
      if repetition > 0 { seconds.append(session.journal.seconds - begin) }
    }
    return Double(images) / median(seconds)
  }
}

extension Bench {
  private static func indices(of set: any ImageSet) -> [Int32] { (0..<Int32(set.count)).map { $0 } }
}

private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
