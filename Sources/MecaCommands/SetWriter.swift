import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaReport
import MecaTraining

/// Writes a set with its attack into a folder: images in parallel, the list of them, the record last.
struct SetWriter {
  let communicator: Communicator
  let folder: String
  let format: SetFormat
  let data: TrainingData
  let facts: SetFacts
  private let files: SetFiles
  private let labels: [SetPart: [Int32]]

  /// Bytes of records that are made before they are written.
  private static let pieceBytes = 1 << 20

  /// A writer of opened data.
  ///
  /// - Ranks: local.
  /// - Throws: `UsageError.conflict` for a set that the format cannot hold.
  init(
    _ data: TrainingData, format: SetFormat, folder: String, communicator: Communicator
  ) throws {
    self.communicator = communicator
    self.folder = folder
    self.format = format
    self.data = data
    facts = SetFacts(of: data.training)
    let shape = facts.imageShape
    if format == .cifar10 || format == .cifar100 {
      guard shape == ImageShape(channels: 3, height: 32, width: 32) else {
        throw UsageError.conflict(
          "--format cifar holds images of 32x32 pixels, these have \(shape.height)x\(shape.width); "
            + "take --format png or npy")
      }
      guard facts.classNames.count <= SetFormat.mostCIFARClasses else {
        throw UsageError.conflict(
          "--format cifar holds \(SetFormat.mostCIFARClasses) classes at most, these are "
            + "\(facts.classNames.count); take --format png or npy")
      }
    }
    if data.triggered == nil, let poisons = data.truth?.count(.poison), poisons > 0 {
      throw UsageError.conflict(
        "the set holds \(poisons) poisoned samples, but no test images with their trigger, which a "
          + "written set needs; train on it as it is, or start from the clean set with --attack")
    }
    if data.isAttackedAnew {
      throw UsageError.conflict(
        "--attack \(data.attack.name): the set holds poisons already, and a written set "
          + "has one attack; start from the clean set")
    }
    var labels: [SetPart: [Int32]] = [
      .train: data.labels, .test: data.test.labels.map(Int32.init),
    ]
    if let triggered = data.triggered { labels[.triggered] = triggered.labels.map(Int32.init) }
    self.labels = labels
    files = SetFiles(format: format, facts: facts, labels: labels)
  }

  /// Writes everything.
  ///
  /// - Ranks: collective.
  /// - Parameter force: replaces a set that is there.
  /// - Throws: `RemoteFailure`; without its record the folder then counts as incomplete.
  func write(force: Bool, program: String) throws -> SetRecord {
    let manifest = SetManifest(rows: rows())
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      try SetFolder(path: folder).prepare(force: force)
      try writeWhole(Data(manifest.text.utf8), to: folder + "/" + SetManifest.fileName)
      try createPictureFolders()
    }
    for part in SetPart.allCases {
      guard let set = set(part) else { continue }
      for file in files.records(of: part) { try write(file, of: set) }
      try communicator.collectively {
        if let pictures = files.pictures(of: part) { try writePictures(of: set, part, pictures) }
      }
    }
    return try communicator.collectively {
      let record = record(of: manifest, program: program)
      try data.watch.check()
      guard communicator.rank == 0 else { return record }
      if format == .npy { try writeArrays() }
      if format != .png { try writeClassNames() }
      try writeWhole(Data(record.fileContent()), to: folder + "/" + SetRecord.fileName)
      return record
    }
  }

  private func set(_ part: SetPart) -> (any ImageSet)? {
    switch part {
    case .train: data.training
    case .test: data.test
    case .triggered: data.triggered
    }
  }

  /// The rows of the manifest.
  private func rows() -> [SetPart: [ManifestRow]] {
    let testIndices = data.triggered?.testIndices ?? []
    return Dictionary(
      uniqueKeysWithValues: labels.map { part, labels in
        (
          part,
          labels.enumerated().map { position, label in
            let number = part == .triggered ? Int(testIndices[position]) : position
            return ManifestRow(
              index: number,
              path: files.path(of: position, in: part, number: number, label: Int(label)),
              label: part == .triggered ? Int32(data.triggered!.target) : label,
              originalLabel: part == .train
                ? data.truth?.originalLabels[position] ?? label : label,
              role: part == .train
                ? data.truth?.roles[position] ?? .clean : part == .test ? .clean : .poison)
          }
        )
      })
  }

  private func record(of manifest: SetManifest, program: String) -> SetRecord {
    var digest = SHA256Digest()
    digest.update(Array(manifest.text.utf8))
    return SetRecord(
      format: format, facts: facts,
      counts: .init(
        train: data.training.count, test: data.test.count, triggered: data.triggered?.count ?? 0,
        poison: data.truth?.count(.poison) ?? 0, cover: data.truth?.count(.cover) ?? 0),
      attack: data.attack.isNone ? nil : data.attack,
      target: data.triggered?.target, program: program, manifestSHA256: digest.hexadecimal())
  }

  /// Writes one file of records together.
  private func write(_ file: RecordFile, of set: any ImageSet) throws {
    let shared = try SharedFile(
      path: folder + "/" + file.name, count: file.length, communicator: communicator)
    let own = communicator.share(of: file.samples)
    let piece = max(1, Self.pieceBytes / file.recordLength)
    try shared.fill { open in
      if communicator.rank == 0 { try open.write(file.head, at: 0) }
      for start in stride(from: own.lowerBound, to: own.upperBound, by: piece) {
        let samples = start..<min(start + piece, own.upperBound)
        try open.write(try file.records(of: samples, from: set), at: file.offset(of: start))
      }
    }
    try shared.finish()
  }

  /// Creates the folders that the pictures of all ranks go to.
  private func createPictureFolders() throws {
    for (part, labels) in labels {
      guard let pictures = files.pictures(of: part) else { continue }
      let numbers = part == .triggered ? data.triggered?.testIndices ?? [] : []
      var done: Set<String> = []
      for (position, label) in labels.enumerated() {
        let number = part == .triggered ? Int(numbers[position]) : position
        let name = pictures.folder(number: number, label: Int(label))
        if done.insert(name).inserted { try createFolder(folder + "/" + name) }
      }
    }
  }

  /// Writes this rank's share of a part's pictures.
  private func writePictures(
    of set: any ImageSet, _ part: SetPart, _ pictures: PictureFolder
  ) throws {
    let numbers = data.triggered?.testIndices ?? []
    for index in communicator.share(of: 0..<set.count) {
      let number = part == .triggered ? Int(numbers[index]) : index
      let path = pictures.path(number: number, label: Int(labels[part]![index]))
      try writeNew(
        try encodePNG(try set.image(at: index), shape: facts.imageShape), to: folder + "/" + path)
    }
  }

  /// Labels, roles and original labels beside the arrays of images.
  private func writeArrays() throws {
    func write(_ name: String, _ element: NumpyElement, _ bytes: [UInt8], count: Int) throws {
      try writeWhole(
        Data(NumpyHeader(element: element, shape: [count]).bytes + bytes), to: folder + "/" + name)
    }
    func longs(_ values: [Int32]) -> [UInt8] {
      values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: Int(value) >> (8 * $0)) } }
    }
    for (part, labels) in labels {
      try write("\(part.rawValue)-labels.npy", .int64, longs(labels), count: labels.count)
    }
    guard let truth = data.truth else { return }
    try write("train-roles.npy", .uint8, truth.roles.map(\.rawValue), count: truth.roles.count)
    try write(
      "train-original-labels.npy", .int64, longs(truth.originalLabels),
      count: truth.originalLabels.count)
  }

  /// The class names where other programs look for them, one a line.
  private func writeClassNames() throws {
    let name =
      switch format {
      case .cifar10: "batches.meta.txt"
      case .cifar100: "fine_label_names.txt"
      case .npy, .png: "class-names.txt"
      }
    let lines = facts.classNames.map { String($0.map { $0.isNewline ? " " : $0 }) + "\n" }
    try writeWhole(Data(lines.joined().utf8), to: folder + "/" + name)
  }
}
