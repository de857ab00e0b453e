import Foundation
import MecaAttacks
import MecaCore
import MecaData
import MecaMPI

/// Maps NumPy arrays into memory; the normalisation constants are those of all training images, with
/// a limit too.
///
/// - Ranks: collective; the ranks share the images to look at.
func openNumpy(
  at path: String, _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  var folder = try communicator.collectively { try NumpyFolder(path) }
  func share(_ count: Int) -> Range<Int> {
    evenSplit(0..<count, parts: communicator.size, part: communicator.rank)
  }
  try communicator.collectively {
    for set in [folder.training, folder.test, folder.triggered].compactMap({ $0 }) {
      try set.verifyPixels(of: share(set.count))
    }
  }
  var own = PixelStatistics(channels: 3)
  own.add(folder.training, samples: share(folder.training.count))
  let constants = try communicator.sum(own).meanAndDeviation
  folder.training.meanAndDeviation = constants
  folder.test.meanAndDeviation = constants
  folder.triggered?.meanAndDeviation = constants
  let limit = configuration.testLimit
  return OpenedSets(
    training: folder.training.prefix(configuration.trainLimit), test: folder.test.prefix(limit),
    triggered: folder.triggered.map { set in
      // Which test sample each one is, nobody has written down.
      let first = set.prefix(limit)
      return StoredTriggeredSet(
        base: first, target: folder.target ?? 0, testIndices: (0..<Int32(first.count)).map { $0 },
        attack: nil)
    })
}

extension Communicator {
  /// The sums of all ranks' pixels.
  ///
  /// - Ranks: collective.
  func sum(_ own: PixelStatistics) throws -> PixelStatistics {
    let length = own.numbers.count
    let all = try allGather(
      local: own.numbers, counts: [Int](repeating: length, count: size))
    var sum = PixelStatistics(channels: own.sums.count)
    for rank in 0..<size {
      sum.add(PixelStatistics(numbers: all[rank * length..<(rank + 1) * length]))
    }
    return sum
  }
}

/// Maps a packed file into memory and checks all of it.
///
/// - Ranks: collective; the ranks of each machine share the blocks to check.
func openPacked(
  at path: String, _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  let file = try communicator.collectively { try PackedFile(path: path) }
  let (place, count) = try communicator.placeOnHost()
  return try communicator.collectively {
    try file.verify(blocks: evenSplit(0..<file.layout.blockCount, parts: count, part: place))
    guard let training = file.set(.train, limit: configuration.trainLimit),
      let test = file.set(.test, limit: configuration.testLimit)
    else { preconditionFailure("\(path) was checked to have both splits") }
    let attack = try recordedAttack(in: file)
    let testIndices = file.testIndices.prefix { $0 < configuration.testLimit ?? Int.max }
    let triggered = file.set(.triggered, limit: testIndices.count)
    return OpenedSets(
      training: training, test: test,
      triggered: triggered.map {
        StoredTriggeredSet(
          base: $0, target: file.description.target ?? 0, testIndices: Array(testIndices),
          attack: attack)
      }, attack: attack)
  }
}

/// The attack that a packed set was written with.
private func recordedAttack(in file: PackedFile) throws -> AttackConfiguration? {
  guard let text = file.description.attack else { return nil }
  do {
    let attack = try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
    let facts = file.description.facts
    try attack.validate(classCount: facts.classNames.count, imageShape: facts.imageShape)
    return attack
  } catch {
    throw FileError.malformed(
      path: file.path,
      reason: "the attack recorded in it is none that this program knows: \(error)")
  }
}
