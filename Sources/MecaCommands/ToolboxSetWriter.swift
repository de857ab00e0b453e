import Foundation
import MecaAttacks
import MecaCore
import MecaDatasets
import MecaImages
import MecaMPI
import MecaTorchFiles
import MecaTraining

/// Writes a set as backdoor-toolbox keeps one, below a folder that stands for the toolbox's own.
///
/// `poisoned_train_set/NAME/ATTACK` has `imgs` (float32 [N, 3, H, W] of 0 to 1, byte / 255), `labels`,
/// `poison_indices` and, of attacks that have covers, `cover_indices`; `clean_set/NAME/test_split` has
/// `data/0.png`, … and `labels`. The toolbox puts triggers into test images itself when it tests.
///
/// - Source: https://github.com/vtu81/backdoor-toolbox, `create_poisoned_set.py`,
///   `create_clean_set.py`, `utils/supervisor.py`, `utils/tools.py`.
struct ToolboxSetWriter {
  private let communicator: Communicator
  private let data: TrainingData
  private let shape: ImageShape
  /// The poisoned training set.
  let trainFolder: String
  /// The clean test set.
  let testFolder: String

  /// Samples whose floats are made before they are written.
  private static let pieceCount = 64

  /// A writer of opened data.
  ///
  /// - Ranks: local.
  /// - Parameter dataset: name of the format that the images came from.
  init(_ data: TrainingData, dataset: String, folder: String, communicator: Communicator) {
    (self.data, self.communicator) = (data, communicator)
    shape = data.training.imageShape
    trainFolder = "\(folder)/poisoned_train_set/\(dataset)/\(Self.name(of: data))"
    testFolder = "\(folder)/clean_set/\(dataset)/test_split"
  }

  /// Writes everything; the labels last.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure`; without its labels a folder is no set.
  func write() throws {
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      try createFolder(trainFolder)
      try createFolder(testFolder + "/data")
    }
    try writeImages()
    try communicator.collectively {
      for index in communicator.share(of: 0..<data.test.count) {
        try writeNew(
          try encodePNG(try data.test.image(at: index), shape: shape),
          to: "\(testFolder)/data/\(index).png")
      }
    }
    try communicator.collectively {
      try data.watch.check()
      guard communicator.rank == 0 else { return }
      try writeIndices()
      try write(torchFile(longs: data.labels), "\(trainFolder)/labels")
      try write(torchFile(longs: data.test.labels.map(Int32.init)), "\(testFolder)/labels")
    }
  }

  /// The tensor of all training images, each rank its part.
  private func writeImages() throws {
    let count = data.training.count
    let plan = TorchFilePlan(
      .tensor(storage: 0, shape: [count, shape.channels, shape.height, shape.width]),
      storages: [TorchStorage(.float32, count: count * shape.byteCount)])
    let file = try SharedFile(
      path: trainFolder + "/imgs", count: plan.length, communicator: communicator)
    let bytesOfFloat = (0...255).map { byte in
      withUnsafeBytes(of: (Float(byte) / 255).bitPattern.littleEndian) { Array($0) }
    }
    let imageBytes = 4 * shape.byteCount
    let parts = (0..<communicator.size).map {
      evenSplit(0..<count, parts: communicator.size, part: $0)
    }
    let own = try file.fill { file -> UInt32 in
      var checksum: UInt32 = 0
      let range = parts[communicator.rank]
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceCount) {
        var piece: [UInt8] = []
        for index in start..<min(start + Self.pieceCount, range.upperBound) {
          for byte in try data.training.image(at: index) { piece += bytesOfFloat[Int(byte)] }
        }
        try file.write(piece, at: plan.offset(ofStorage: 0) + start * imageBytes)
        checksum = joinedChecksum(
          checksum, piece.withUnsafeBytes { crc32($0) }, secondCount: piece.count)
      }
      return checksum
    }
    let checksums = try communicator.allGather(
      local: [own], counts: [Int](repeating: 1, count: communicator.size))
    try file.fill { file in
      guard communicator.rank == 0 else { return }
      let whole = zip(checksums, parts).reduce(UInt32(0)) { sum, part in
        joinedChecksum(sum, part.0, secondCount: part.1.count * imageBytes)
      }
      for (offset, bytes) in plan.pieces(checksums: [whole]) { try file.write(bytes, at: offset) }
    }
    try file.finish()
  }

  /// Which samples are poisoned and which are covers; nothing where nobody knows.
  private func writeIndices() throws {
    guard let truth = data.truth else { return }
    for (name, role) in [("poison_indices", SampleRole.poison), ("cover_indices", .cover)] {
      guard role == .poison || truth.count(.cover) > 0 else { continue }
      let indices = truth.roles.indices.filter { truth.roles[$0] == role }
      try write(torchFile(.list(indices.map { .integer($0) })), "\(trainFolder)/\(name)")
    }
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    try writeWhole(Data(bytes), to: path)
  }

  /// The folder that the toolbox looks for an attack in.
  private static func name(of data: TrainingData) -> String {
    let attack = data.attack
    func share(_ role: SampleRole) -> String {
      fixed(Double(data.truth?.count(role) ?? 0) / Double(max(1, data.training.count)), 3)
    }
    var name = (names[attack.name] ?? attack.name.replacing("-", with: "_")) + "_" + share(.poison)
    if attack.name == "blend" || attack.name == "adaptive-blend" {
      let alpha = attack.values.first { $0.name == "blend-alpha" }.flatMap { Double($0.value.text) }
      name += "_alpha=" + fixed(alpha ?? 0.2, 3)
    }
    if let truth = data.truth, truth.count(.cover) > 0 { name += "_cover=" + share(.cover) }
    if attack.name == "blend" || attack.name == "adaptive-blend" {
      let file = attack.files.first.map { URL(fileURLWithPath: $0.path).lastPathComponent }
      name += "_trigger=" + (file ?? "meca.png")
    }
    return name + "_poison_seed=\(attack.isNone ? 0 : attack.seed)"
  }

  /// The toolbox's names of attacks, where they are others.
  private static let names = [
    "badnets": "badnet", "sig": "SIG", "wanet": "WaNet", "tact": "TaCT",
  ]
}
