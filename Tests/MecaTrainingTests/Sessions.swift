import Foundation
import Logging
import MecaCore
import MecaImages
import MecaMPI
import MecaNN
import MecaTensor
import MecaTestSupport
import MecaTraining

/// This process as the only rank; MPI allows one start a process.
@MainActor let loneRank = Result { try Communicator.initialise() }

/// A journal that speaks to `spoken`.
func journal(_ spoken: SpokenLines, metricsPath: String? = nil) throws -> Journal {
  try Journal(
    metricsPath: metricsPath, isWriter: true, logger: Logger(label: "test") { _ in spoken })
}

/// A session of one rank, with steps of 2 shards of 4 samples.
@MainActor func session(
  _ spoken: SpokenLines = SpokenLines(), engine: EngineKind = EngineKind.available[0],
  stopRequests: StopRequests = .none
) throws -> TrainingSession {
  try TrainingSession(
    communicator: try loneRank.get(),
    compute: ComputeConfiguration(batch: 8, shards: 2, threads: 1, engine: engine, seed: 5),
    journal: try journal(spoken), stopRequests: stopRequests)
}

/// A thin network for the built-in set.
func thinNetwork(_ set: any ImageSet) -> NetworkConfiguration {
  let (mean, deviation) = set.meanAndDeviation
  return NetworkConfiguration(
    architecture: .resnet18, width: 4, classCount: set.classNames.count,
    imageHeight: set.imageShape.height, imageWidth: set.imageShape.width, mean: mean,
    standardDeviation: deviation)
}

/// A folder of its own that goes away with its owner.
final class TestFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "meca-training-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
