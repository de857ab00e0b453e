import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaTraining

/// How many logical shards a step is cut into.
package enum ShardChoice: ExpressibleByArgument, Hashable {
  /// As many as divide evenly among the ranks and threads of the run's beginning.
  case automatic
  case count(Int)

  package init?(argument: String) {
    if argument == "auto" {
      self = .automatic
    } else if let count = Int(argument) {
      self = .count(count)
    } else {
      return nil
    }
  }

  package var defaultValueDescription: String {
    switch self {
    case .automatic: "auto"
    case .count(let count): "\(count)"
    }
  }
}

/// A step's samples, and the logical shards that they are cut into.
package struct StepLayout: Hashable {
  package var batch: Int
  package var shards: Int

  /// The step of one machine, which every default was measured with.
  static let usual = StepLayout(batch: 64, shards: 8)

  /// The rate that keeps most of the accuracy with steps of so many samples.
  ///
  /// 0.07 · √(B / 64), and 0.07 up to 64: measured against the same rate for all and one in proportion to B
  /// (docs/experiments.md, "Large batches").
  package static func usualRate(batch: Int) -> Float {
    0.07 * max(1, Float(batch) / Float(usual.batch)).squareRoot()
  }

  /// Steps of a training below which no rate made up for a large batch.
  private static let fewestLargeSteps = 400

  /// What is said of a training with steps that are large and few; nil for others.
  ///
  /// Measured with 80 to 480 steps of 512 to 2,048 samples (docs/experiments.md, "Large batches").
  package static func warning(samples: Int, batch: Int, epochs: Int) -> String? {
    let steps = epochs * ((samples + batch - 1) / batch)
    guard batch > usual.batch, steps < fewestLargeSteps else { return nil }
    return
      "\(samples) samples are learnt in \(steps) steps of \(batch) (--epochs \(epochs)); in fewer than "
      + "\(fewestLargeSteps) such steps models became less accurate: a smaller --batch or more --epochs "
      + "gives more of them"
  }

  /// The layout for so many ranks and threads.
  ///
  /// The fewest shards, 8 or more, that are even and a multiple of the workers, so that none waits for
  /// another; 8 samples a shard, as of the usual step, so that batch normalisation sees as many.
  ///
  /// Example: 1, 2, 4 and 8 workers have 8 shards, 3 have 12, 16 have 16.
  package init(workers: Int) {
    precondition(workers > 0, "no workers")
    var perWorker = (Self.usual.shards + workers - 1) / workers
    if workers * perWorker % 2 != 0 { perWorker += 1 }
    shards = workers * perWorker
    batch = shards * Self.usual.batch / Self.usual.shards
  }

  /// Both values.
  package init(batch: Int, shards: Int) { (self.batch, self.shards) = (batch, shards) }

  /// The layout of the run in a folder, from its `run.json`.
  ///
  /// - Returns: nil where there is no such run.
  init?(of folder: RunFolder) {
    struct Record: Decodable {
      struct Plan: Decodable { var compute: Compute }
      struct Compute: Decodable { var batch, shards: Int }
      var plan: Plan
    }
    guard let bytes = try? readFile(at: folder.run),
      let record = try? JSONDecoder().decode(Record.self, from: Data(bytes))
    else { return nil }
    self.init(batch: record.plan.compute.batch, shards: record.plan.compute.shards)
  }
}

extension TrainOptions {
  /// The options with the number of shards decided.
  ///
  /// A run that goes on keeps the layout that it began with: another one has other bits.
  ///
  /// - Ranks: collective; rank 0 looks into the folder.
  func settled(on communicator: Communicator) throws -> TrainOptions {
    guard compute.shards == .automatic else { return self }
    let begun = try communicator.collectively { () -> StepLayout? in
      guard communicator.rank == 0, run.resume != .never, !run.force else { return nil }
      return StepLayout(of: RunFolder(path: run.output))
    }
    let shards = try communicator.broadcastValue(begun?.shards ?? 0)
    let batch = try communicator.broadcastValue(begun?.batch ?? 0)
    var settled = self
    let layout =
      shards > 0
      ? StepLayout(batch: batch, shards: shards)
      : StepLayout(workers: communicator.size * max(1, compute.threads))
    settled.compute.shards = .count(layout.shards)
    settled.compute.batch = compute.batch ?? layout.batch
    return settled
  }
}
