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
  _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  var folder = try communicator.collectively {
    try NumpyFolder(try configuration.requiredPath(with: "train-images.npy and so on"))
  }
  try communicator.collectively {
    for set in [folder.training, folder.test, folder.triggered].compactMap({ $0 }) {
      try set.verifyPixels(of: communicator.share(of: 0..<set.count))
    }
  }
  let constants = try ChannelSums.meanAndDeviation(of: folder.training, communicator)
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

/// Maps a packed file into memory and checks all of it.
///
/// - Ranks: collective; ranks that look at the same file of the same machine share its blocks.
func openPacked(
  _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  let file = try communicator.collectively {
    try PackedFile(path: try configuration.requiredPath(with: "a file of meca-dist pack"))
  }
  let files = try communicator.allGatherText("\(communicator.host):\(realPath(file.path))")
  let own = files[communicator.rank]
  let place = files[..<communicator.rank].count { $0 == own }
  let count = files.count { $0 == own }
  return try communicator.collectively {
    try file.verify(blocks: evenSplit(0..<file.layout.blockCount, parts: count, part: place))
    guard let training = file.set(.train, limit: configuration.trainLimit),
      let test = file.set(.test, limit: configuration.testLimit)
    else { preconditionFailure("\(file.path) was checked to have both splits") }
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
