import Foundation
import Logging
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaMPI
import MecaNN
import MecaTensor
import MecaTraining

/// What a run would take: images, memory, room and, from some measured steps, time.
struct RunEstimate {
  private let plan: RunPlan
  private let data: TrainingData
  private let communicator: Communicator
  private let network: NetworkConfiguration
  /// What may come of the data, in words, and the work then; one alone where it makes no difference.
  private let courses: [(words: String, forecast: Forecast)]

  /// Counts the work.
  ///
  /// - Ranks: collective.
  /// - Parameter reserve: samples that the defence is told are clean.
  init(
    _ plan: RunPlan, _ goal: RunGoal, data: TrainingData, reserve: [Int32],
    wantsProbabilities: Bool, communicator: Communicator
  ) throws {
    (self.plan, self.data, self.communicator) = (plan, data, communicator)
    network = plan.network(for: data)
    courses = try communicator.collectively { [network] in
      let all = try RunForecasts(
        plan, goal, data: data, reserve: reserve, network: network,
        wantsProbabilities: wantsProbabilities)
      if all.found.parts == all.suspected.parts { return [("", all.found)] }
      return [
        (" where pixels give a trigger away", all.found),
        (" where somebody is suspected and nobody found", all.suspected),
      ]
    }
  }

  private var networks: [NetworkConfiguration] {
    courses.flatMap(\.forecast.networks).reduce(into: []) { list, network in
      if !list.contains(network) { list.append(network) }
    }
  }

  /// Images, memory and room, for people.
  ///
  /// - Ranks: local.
  func lines(folder: RunFolder) -> [String] {
    var lines = [
      "data: \(data.training.count) training and \(data.test.count) test images, "
        + "\(data.classCount) classes"
    ]
    for (words, forecast) in courses {
      lines.append(
        "work\(words): \(grouped(forecast.trainedImages)) images through steps of training")
      lines += table(of: forecast)
    }
    let compute = plan.compute
    let need = networks.map {
      $0.leastTrainingBytes(microbatch: compute.microbatch, threads: compute.threads)
    }
    let neighbours = communicator.hosts.filter { $0 == communicator.host }.count
    lines.append(
      "memory: \(size(need.max() ?? 0)) a rank at the least, \(neighbours) on this machine"
        + (availableMemory().map { ", which has \(size($0)) left" } ?? ""))
    for room in folder.leastRoom(
      parameters: network.floats.parameters, samples: data.training.count)
    {
      lines.append(
        "room: \(size(room.bytes)) at the least in \(room.folder)"
          + (freeRoom(at: existing(room.folder)).map { ", where \(size($0)) are free" } ?? ""))
    }
    return lines
  }

  /// A line a stage and network.
  private func table(of forecast: Forecast) -> [String] {
    let width = forecast.parts.map(\.stage.count).max() ?? 0
    return forecast.parts.filter { !$0.images.isEmpty }.map { part in
      let verbs: [(Forecast.Work, String)] = [
        (.training, "trained"), (.judging, "asked about"), (.scoring, "scored"),
      ]
      let name = part.stage + String(repeating: " ", count: width - part.stage.count)
      let words = verbs.filter { part.images($0.0) > 0 }.map {
        "\(grouped(part.images($0.0))) \($0.1)"
      }
      return "  \(name)  \(words.joined(separator: ", "))  "
        + "(\(part.network.architecture.rawValue), width \(part.network.width))"
    }
  }

  /// Time, from steps that are trained now, and what memory they took.
  ///
  /// - Ranks: collective; some seconds.
  func measured() throws -> [String] {
    let logger = Logger(label: "meca-dist") { _ in SwiftLogNoOpLogHandler() }
    let session = try TrainingSession(
      communicator: communicator, compute: plan.compute,
      journal: try Journal(metricsPath: nil, isWriter: false, logger: logger))
    try session.requireMemory(for: networks)
    var seconds = courses.map { _ in 0.0 }
    for network in networks {
      let parts = courses.map { $0.forecast.parts.filter { $0.network == network } }
      let costs = try costs(of: network, parts.flatMap { $0 }, session)
      for (course, parts) in parts.enumerated() {
        for part in parts {
          for (work, images) in part.images {
            seconds[course] += Double(images) * costs[work, default: 0]
          }
        }
      }
    }
    var peak = [Int64(memoryMegabytes().peak)]
    try communicator.allReduceMax(&peak)
    let spans = zip(seconds, courses).map { spanWords($0) + $1.words }
    return [
      "time: \(spans.joined(separator: ", ")); with the ranks and the load of now, and without the "
        + "look at the pixels",
      "memory: \(peak[0]) MB on the largest rank so far",
    ]
  }

  /// Seconds of an image in a network, over all ranks, for the work that there is.
  private func costs(
    of network: NetworkConfiguration, _ parts: [Forecast.Part], _ session: TrainingSession
  ) throws -> [Forecast.Work: Double] {
    let key = StageKey("estimate")
    let model = try Model(network, engine: session.engine, seed: key.seed(of: plan.compute.seed))
    var recipe = plan.recipe
    // Small enough that no step leads anywhere.
    (recipe.epochs, recipe.learningRate, recipe.schedule) = (1, 1e-6, .constant)
    recipe.rampEpochs = 0
    if network != self.network { recipe.augmentation = .none }
    let labels = data.labels
    func indices(_ count: Int) -> [Int32] { (0..<count).map { Int32($0 % labels.count) } }
    func secondsOfImage(unit: Int, _ work: ([Int32]) throws -> Void) throws -> Double {
      try work(indices(unit))
      // Until it takes a second; memory is taken and files are opened by now.
      var units = 1
      while true {
        try communicator.barrier()
        let begin = ContinuousClock.now
        try work(indices(units * unit))
        let passed = try communicator.broadcastValue((ContinuousClock.now - begin) / .seconds(1))
        if passed >= 1 || units >= 1 << 14 { return passed / Double(units * unit) }
        units = max(units + 1, min(8 * units, Int(1.5 * Double(units) / max(passed, 1e-3))))
      }
    }
    let pass = TrainingSession.evaluationBatch * max(plan.compute.shards, communicator.size)
    var costs: [Forecast.Work: Double] = [:]
    for work in Forecast.Work.allCases where parts.contains(where: { $0.images(work) > 0 }) {
      costs[work] = try secondsOfImage(unit: work == .training ? plan.compute.batch : pass) {
        switch work {
        case .training:
          try session.train(
            model, on: data.given, .learning($0, labels: labels), recipe, key: key)
        case .judging:
          _ = try session.judge(model, on: data.given, $0, labels: labels)
        case .scoring:
          _ = try session.robustness(
            model, on: data.given, $0, labels: labels, PerturbationConfiguration(), key: key)
        }
      }
    }
    return costs
  }

  /// The folder, or the nearest one above that there is.
  private func existing(_ folder: String) -> String {
    var url = URL(fileURLWithPath: folder)
    while !FileManager.default.fileExists(atPath: url.path), url.path != "/" {
      url.deleteLastPathComponent()
    }
    return url.path
  }

  /// Thousands apart, for example `1,250,000`.
  private func grouped(_ number: Int) -> String {
    let digits = Array(String(number))
    return digits.indices.reduce(into: "") { text, place in
      if place > 0, (digits.count - place) % 3 == 0 { text += "," }
      text.append(digits[place])
    }
  }

  private func size(_ bytes: Int) -> String {
    bytes < 1_000_000_000
      ? "\(fixed(Double(bytes) / 1e6, 1)) MB" : "\(fixed(Double(bytes) / 1e9, 1)) GB"
  }
}
