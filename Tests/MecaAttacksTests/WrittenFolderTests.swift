import Foundation
import MecaAttacks
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

/// A written set of 5 training, 4 test and 2 triggered images of 32×32 in a folder of its own.
final class WrittenExample {
  let path: String
  let format: SetFormat
  private(set) var files: [String: [UInt8]] = [:]
  static let labels: [SetPart: [Int32]] = [
    .train: [1, 1, 2, 0, 1], .test: [0, 2, 1, 2], .triggered: [0, 2],
  ]

  init(_ format: SetFormat) throws {
    self.format = format
    path = NSTemporaryDirectory() + "meca-written-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let shape = ImageShape(channels: 3, height: 32, width: 32)
    let sets = Self.labels.mapValues { labels in
      MemorySet(
        name: "example", classNames: ["a", "b", "c"], imageShape: shape,
        labels: labels.map(Int.init), images: Self.images(labels.count),
        meanAndDeviation: ([0.1, 0.2, 1.0 / 3], [0.3, 0.7, 0.0123456789]))
    }
    let facts = SetFacts(of: sets[.train]!)
    let layout = SetFiles(format: format, facts: facts, labels: Self.labels)
    let originals: [Int32] = [0, 1, 2, 0, 2]
    let roles: [SampleRole] = [.poison, .clean, .cover, .clean, .poison]
    let testIndices = [0, 3]
    let rows = Self.labels.map { part, labels in
      (
        part,
        labels.enumerated().map { position, label in
          let number = part == .triggered ? testIndices[position] : position
          return ManifestRow(
            index: number,
            path: layout.path(of: position, in: part, number: number, label: Int(label)),
            label: part == .triggered ? 1 : label,
            originalLabel: part == .train ? originals[position] : label,
            role: part == .train ? roles[position] : part == .test ? .clean : .poison)
        }
      )
    }
    let manifest = SetManifest(rows: Dictionary(uniqueKeysWithValues: rows)).text
    var digest = SHA256Digest()
    digest.update(Array(manifest.utf8))
    let record = SetRecord(
      format: format, facts: facts,
      counts: .init(train: 5, test: 4, triggered: 2, poison: 2, cover: 1),
      attack: AttackConfiguration(BadNets.self, poisonRate: 0.4), target: 1,
      program: "1.2.3", manifestSHA256: digest.hexadecimal())
    files[SetManifest.fileName] = Array(manifest.utf8)
    files[SetRecord.fileName] = try record.fileContent()
    for file in layout.records {
      files[file.name] = file.head + (try file.records(of: file.samples, from: sets[file.part]!))
    }
    if format == .npy {
      for (part, labels) in Self.labels {
        files["\(part.rawValue)-labels.npy"] =
          NumpyHeader(element: .int32, shape: [labels.count]).bytes
          + labels.flatMap { [UInt8($0), 0, 0, 0] }
      }
    }
    for (name, content) in files { try write(name, content) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  static func images(_ count: Int) -> [UInt8] {
    (0..<count * 3072).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ count) }
  }

  func write(_ name: String, _ content: [UInt8]) throws {
    try writeAnew(content, to: path + "/" + name)
  }

  /// Changes a text in a file of the set.
  func change(_ name: String, _ old: String, _ new: String) throws {
    let text = String(decoding: files[name]!, as: UTF8.self)
    let place = try #require(text.range(of: old))
    try write(name, Array(text.replacingCharacters(in: place, with: new).utf8))
  }

  /// Everything that a reader does with the set.
  @discardableResult
  static func readAll(_ path: String) throws -> [SetPart: WrittenSet] {
    let folder = try WrittenFolder(path: path)
    let sets = try SetPart.allCases.map { part in
      let rows = folder.rows(of: part, trainLimit: nil, testLimit: nil)
      return (part, try folder.recordSet(part, rows: rows))
    }
    return Dictionary(uniqueKeysWithValues: sets)
  }
}

@Suite struct WrittenFolderTests {
  @Test(arguments: [SetFormat.cifar10, .cifar100, .npy])
  func everythingComesBack(format: SetFormat) throws {
    let example = try WrittenExample(format)
    let sets = try WrittenExample.readAll(example.path)
    for (part, labels) in WrittenExample.labels {
      let set = try #require(sets[part])
      #expect(set.labels == labels.map(Int.init) && set.classNames == ["a", "b", "c"])
      #expect(try set.images(0..<set.count) == WrittenExample.images(labels.count))
      #expect(set.meanAndDeviation.mean == [0.1, 0.2, 1.0 / 3])
      #expect(set.meanAndDeviation.standardDeviation == [0.3, 0.7, 0.0123456789])
    }
    #expect(sets[.triggered]?.testIndices == [0, 3])
    let truth = try #require(sets[.train]?.groundTruth)
    #expect(truth.roles == [.poison, .clean, .cover, .clean, .poison])
    #expect(truth.originalLabels == [0, 1, 2, 0, 2])
    #expect(sets[.test]?.groundTruth == nil)
    let folder = try WrittenFolder(path: example.path)
    #expect(folder.record.attack == AttackConfiguration(BadNets.self, poisonRate: 0.4))
    #expect(folder.record.poisonRate == 0.4 && folder.record.coverRate == 0.2)
    // The triggered samples of the first three test samples are one.
    #expect(folder.rows(of: .triggered, trainLimit: 1, testLimit: 3).map(\.index) == [0])
    #expect(folder.rows(of: .train, trainLimit: 1, testLimit: 3).count == 1)
  }

  /// What another program finds: the records of the official archive.
  @Test func theCIFARFilesAreThoseOfTheArchive() throws {
    let example = try WrittenExample(.cifar10)
    let set = try CIFARSet(folder: example.path, variant: .cifar10, split: .train)
    #expect(set.labels == [1, 1, 2, 0, 1])
    #expect(try set.images(0..<5) == WrittenExample.images(5))
    let hundred = try WrittenExample(.cifar100)
    let test = try CIFARSet(folder: hundred.path, variant: .cifar100, split: .test)
    #expect(test.labels == [0, 2, 1, 2])
  }

  @Test func theNumPyFilesAreAPairOfArrays() throws {
    let example = try WrittenExample(.npy)
    let set = try NumpySet(
      name: "npy", images: try NumpyFile(path: example.path + "/train-images.npy"),
      labels: try readNumpyLabels(example.path + "/train-labels.npy"), classNames: ["a", "b", "c"])
    #expect(set.labels == [1, 1, 2, 0, 1])
    #expect(try set.images(0..<5) == WrittenExample.images(5))
  }

  /// 10,000 training samples a file; more only where five files would not do.
  @Test func largeSetsAreSpreadOverTheFilesOfTheArchive() {
    func ranges(_ count: Int) -> [Range<Int>] {
      RecordFile.all(
        .cifar10, imageShape: .init(channels: 3, height: 32, width: 32), counts: [.train: count]
      ).map(\.samples)
    }
    #expect(ranges(9_999) == [0..<9_999])
    #expect(ranges(20_001) == [0..<10_000, 10_000..<20_000, 20_000..<20_001])
    #expect(ranges(50_000).map(\.count) == [10_000, 10_000, 10_000, 10_000, 10_000])
    #expect(ranges(60_001).map(\.count) == [12_001, 12_001, 12_001, 12_001, 11_997])
  }

  @Test func classesWithManyPicturesGetFoldersOfTenThousand() {
    let flat = PictureFolder(part: .train, classFolders: ["a%2Fb", "c"], counts: [10_000, 5])
    #expect(flat.path(number: 31_234, label: 0) == "train/a%2Fb/031234.png")
    let deep = PictureFolder(part: .triggered, classFolders: ["a", "c"], counts: [10_001, 5])
    #expect(deep.path(number: 31_234, label: 1) == "test-triggered/c/0003/031234.png")
  }

  @Test(arguments: [
    (SetFormat.cifar10, "2,data_batch_1.bin#2", "2,data_batch_1.bin#3", "line 4: with its index"),
    (.cifar10, "2,data_batch_1.bin#2", "2,../x#2", "the path must be data_batch_1.bin#2"),
    (.npy, "2,train-images.npy#2", "2,data_batch_1.bin#2", "the path must be train-images.npy#2"),
    (.cifar10, "bin#3,0,0,clean", "bin#3,1,1,clean", "was changed after it was written"),
    (
      .cifar10, "bin#3,0,0,clean", "bin#3,1,0,poison",
      "lists 3 poisoned samples, dataset.json says 2"
    ),
    (.npy, "3,test-images.npy#3,2,2,clean,test\n", "", "line 11: test sample 3 was triggered"),
    (.npy, "index,path", "index;path", "line 1: is not"),
  ])
  func aManifestThatContradictsIsRefused(
    format: SetFormat, old: String, new: String, reason: String
  ) throws {
    let example = try WrittenExample(format)
    try example.change(SetManifest.fileName, old, new)
    let error = #expect(throws: FileError.self) { try WrittenExample.readAll(example.path) }
    #expect(error?.description.hasPrefix(example.path + "/manifest.csv: ") == true)
    #expect(error?.description.contains(reason) == true, "\(error!)")
  }

  @Test(arguments: [
    ("\"target\" : 1\n", "\"target\" : 2\n"), ("0.1,", "0.2,"), ("\"example\"", "\"exempla\""),
  ])
  func aChangedRecordIsRefusedUnlessItsDigestIsTakenOut(old: String, new: String) throws {
    let example = try WrittenExample(.cifar10)
    let text = String(decoding: example.files[SetRecord.fileName]!, as: UTF8.self)
    try example.change(SetRecord.fileName, text.contains(old) ? old : String(old.dropLast()), new)
    let error = #expect(throws: FileError.self) { try SetRecord(folder: example.path) }
    #expect(error?.description.contains("was changed after it was written") == true)
  }

  @Test(arguments: [
    ("\"meca_dist_set\" : 1", "\"meca_dist_set\" : 2", "has version 2"),
    ("\"poison\" : 2", "\"poison\" : -2", "counts that cannot be"),
    ("\"train\" : 5", "\"train\" : 99999999999", "counts that cannot be"),
    ("\"height\" : 32", "\"height\" : 0", "3 channels of 0x32"),
    ("\"class_names\"", "\"class_nemes\"", "lacks the key class_names"),
    ("\"format\" : \"cifar10\"", "\"format\" : \"tiff\"", "wrong kind"),
    ("\"kind\" : \"badnets\"", "\"kind\" : \"sig\"", "no error"),
    ("\"poisonRate\" : 0.4", "\"poisonRate\" : 4", "an attack that cannot be: --poison-rate 4"),
    ("\"program\" : \"1.2.3\"", "\"program\" : 1", "wrong kind"),
  ])
  func aRecordThatCannotBeIsRefused(old: String, new: String, reason: String) throws {
    let example = try WrittenExample(.cifar10)
    // Without its digest, as if somebody had written it by hand.
    let text = String(decoding: example.files[SetRecord.fileName]!, as: UTF8.self)
    let lines = text.split(separator: "\n").filter { !$0.contains("\"sha256\"") }
    let place = try #require(lines.joined(separator: "\n").range(of: old))
    let changed = lines.joined(separator: "\n").replacingCharacters(in: place, with: new)
    try example.write(SetRecord.fileName, Array(changed.utf8))
    do {
      _ = try SetRecord(folder: example.path)
      #expect(reason == "no error")
    } catch let error as FileError {
      #expect(error.description.contains(reason), "\(error)")
    }
  }

  @Test func aSetWithoutItsRecordIsIncomplete() throws {
    let example = try WrittenExample(.npy)
    #expect(SetRecord.isWrittenSet(example.path))
    try FileManager.default.removeItem(atPath: example.path + "/dataset.json")
    #expect(SetRecord.isWrittenSet(example.path))
    let error = #expect(throws: FileError.self) { try WrittenFolder(path: example.path) }
    #expect(
      error?.description.contains("dataset.json: not found; the set in this folder is") == true)
    try FileManager.default.removeItem(atPath: example.path + "/manifest.csv")
    #expect(!SetRecord.isWrittenSet(example.path))
    // Another program's file of that name says nothing.
    try example.write("dataset.json", Array("{\"name\": \"mine\"}".utf8))
    #expect(!SetRecord.isWrittenSet(example.path))
  }

  @Test func imagesThatDoNotFitAreNamed() throws {
    let example = try WrittenExample(.cifar10)
    try example.write("test_batch.bin", Array(example.files["test_batch.bin"]!.dropLast(1)))
    var error = #expect(throws: FileError.self) { try WrittenExample.readAll(example.path) }
    #expect(error?.description.hasSuffix("has 12291 bytes, 4 samples need 12292") == true)
    var other = example.files["test_batch.bin"]!
    other[2 * 3073] = 7
    try example.write("test_batch.bin", other)
    error = #expect(throws: FileError.self) { try WrittenExample.readAll(example.path) }
    #expect(
      error?.description.contains(
        "manifest.csv: line 9: the class of test_batch.bin#2 is 1 here, but 7 there") == true)
    let arrays = try WrittenExample(.npy)
    var labels = arrays.files["train-labels.npy"]!
    labels[labels.count - 4] = 0
    try arrays.write("train-labels.npy", labels)
    error = #expect(throws: FileError.self) { try WrittenExample.readAll(arrays.path) }
    #expect(error?.description.contains("line 6: the class of train-images.npy#4 is 1") == true)
  }
}

/// Damages manifest and record in many ways each: all are found, as every byte is under a digest.
@Suite struct WrittenFolderFuzzTests {
  @Test(arguments: [SetFormat.cifar10, .npy])
  func everyDamageOfManifestAndRecordIsFound(format: SetFormat) throws {
    let example = try WrittenExample(format)
    var random = KeyedRandom(seed: 5, purpose: .test)
    var reads = 0
    for round in 0..<casesOfTenThousand {
      let name = round % 2 == 0 ? SetManifest.fileName : SetRecord.fileName
      var bytes = example.files[name]!
      switch random.integer(below: 6) {
      case 0: bytes.removeLast(1 + random.integer(below: bytes.count))
      case 1:
        bytes.insert(UInt8(random.integer(below: 256)), at: random.integer(below: bytes.count))
      case 2:
        // Any number of a digit.
        let digits = bytes.indices.filter { (48...57).contains(bytes[$0]) }
        let place = digits[random.integer(below: digits.count)]
        bytes.replaceSubrange(place...place, with: Array("\(random.next())".utf8))
      default:
        for _ in 0...random.integer(below: 3) {
          bytes[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
        }
      }
      guard bytes != example.files[name]! else { continue }
      try example.write(name, bytes)
      do {
        try WrittenExample.readAll(example.path)
        // A damage of the digest's own key leaves the rest as it was.
        #expect(name == SetRecord.fileName)
        #expect(try WrittenFolder(path: example.path).record.target == 1)
        reads += 1
      } catch let error as FileError {
        #expect(error.description.hasPrefix(example.path + "/"))
        #expect(error.description.utf8.count < 400, "\(error)")
      }
      try example.write(name, example.files[name]!)
    }
    #expect(reads < share(200), "\(reads)")
  }
}
