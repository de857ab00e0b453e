import Glibc
import MecaCore
import MecaFormats
import MecaImages
import Testing

/// Where real CIFAR-10 files may lie; nil where there are none.
private let realFolder: String? = {
  let named = getenv("MECA_DATA").map { String(cString: $0) }
  return [named, "../shared/data"].compactMap(\.self)
    .first { access($0 + "/cifar-10-batches-bin/test_batch.bin", F_OK) == 0 }
}()

@Suite struct CIFARSetTests {
  @Test func readsRecordsOfSeveralFiles() throws {
    let folder = try TemporaryFolder()
    try folder.write("data_batch_1.bin", cifarBytes(labels: [3, 9, 0]))
    try folder.write("data_batch_2.bin", cifarBytes(labels: [7, 1]))
    let set = try CIFARSet(folder: folder.path, variant: .cifar10, split: .train)
    #expect(set.count == 5)
    #expect(set.labels == [3, 9, 0, 7, 1])
    #expect(set.imageShape == ImageShape(channels: 3, height: 32, width: 32))
    #expect(set.classNames.count == 10)
    #expect(set.path(at: 2) == "data_batch_1.bin#2")
    #expect(set.path(at: 4) == "data_batch_2.bin#1")
    for (index, record) in [0, 1, 2, 0, 1].enumerated() {
      let expected = (0..<3072).map { UInt8(truncatingIfNeeded: record * 7 + $0 * 13) }
      #expect(try set.image(at: index) == expected)
    }
  }

  @Test func readsFineLabelsOfCIFAR100() throws {
    let folder = try TemporaryFolder()
    try folder.write("test.bin", cifarBytes(labels: [99, 0, 42], variant: .cifar100))
    let names = (0..<100).map { "name\($0)" }.joined(separator: "\r\n") + "\n"
    try folder.write("fine_label_names.txt", Array(names.utf8))
    let set = try CIFARSet(folder: folder.path, variant: .cifar100, split: .test)
    #expect(set.labels == [99, 0, 42])
    #expect(set.classNames[42] == "name42")
    #expect(try set.image(at: 1)[0] == 7)
    #expect(set.meanAndDeviation.mean.count == 3)
  }

  @Test(arguments: [(1, 1), (3, 3), (4, 4), (5, 5), (99, 5)])
  func takesTheFirstSamplesUpToTheLimit(limit: Int, expected: Int) throws {
    let folder = try TemporaryFolder()
    try folder.write("data_batch_1.bin", cifarBytes(labels: [3, 9, 0]))
    try folder.write("data_batch_2.bin", cifarBytes(labels: [7, 1]))
    let set = try CIFARSet(folder: folder.path, variant: .cifar10, split: .train, limit: limit)
    #expect(set.labels == Array([3, 9, 0, 7, 1].prefix(expected)))
  }

  @Test func findsTheArchiveFolderInside() throws {
    let outer = try TemporaryFolder()
    let inner = outer.path + "/cifar-10-batches-bin"
    #expect(mkdir(inner, 0o755) == 0)
    defer { rmdir(inner) }
    let file = inner + "/test_batch.bin"
    let stream = try #require(fopen(file, "wb"))
    let bytes = cifarBytes(labels: [5])
    #expect(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
    fclose(stream)
    defer { remove(file) }
    let set = try CIFARSet(folder: outer.path, variant: .cifar10, split: .test)
    #expect(set.labels == [5])
  }

  @Test(.enabled(if: realFolder != nil, "no CIFAR-10 in ../shared/data or $MECA_DATA"))
  func readsTheRealFiles() throws {
    let folder = try #require(realFolder)
    let set = try CIFARSet(folder: folder, variant: .cifar10, split: .test)
    #expect(set.count >= 1000)
    #expect(set.classNames.contains("airplane"))
    var perClass = [Int](repeating: 0, count: 10)
    for label in set.labels { perClass[label] += 1 }
    #expect(perClass.allSatisfy { $0 > set.count / 20 })
    // Photographs: the mean grey lies near the published constants of the training set.
    var sum = 0
    for index in 0..<set.count { sum += try set.image(at: index).reduce(0) { $0 + Int($1) } }
    let mean = Double(sum) / Double(set.count * 3072 * 255)
    #expect(abs(mean - 0.473) < 0.02, "mean grey \(mean); its standard error is below 0.005")
  }
}

@Suite struct CIFARErrorTests {
  @Test func namesTheMissingFolder() {
    #expect {
      try CIFARSet(folder: "/nowhere/at/all", variant: .cifar10, split: .train)
    } throws: { error in
      error as? FileError
        == .missing(
          path: "/nowhere/at/all",
          hint: "the set's folder is the one with the cifar10 binary files")
    }
  }

  @Test func namesTheMissingFile() throws {
    let folder = try TemporaryFolder()
    let error = try failure(in: folder, .cifar10, .train)
    #expect(error.exitCode == .badData)
    #expect(
      error.description == "\(folder.path)/data_batch_1.bin: not found; "
        + "the train split needs data_batch_1.bin to data_batch_5.bin")
  }

  @Test func recognisesThePythonVersion() throws {
    let folder = try TemporaryFolder()
    try folder.write("data_batch_1", [0x80, 2])
    #expect(try failure(in: folder, .cifar10, .train).description.contains("Python version"))
  }

  @Test func reportsTruncation() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("test_batch.bin", Array(cifarBytes(labels: [1, 2]).dropLast()))
    #expect(
      try failure(in: folder, .cifar10, .test).description
        == "\(path): 6145 bytes are no multiple of the cifar10 record length 3073; "
        + "the file is cut off or of another kind")
  }

  /// A lost file in the middle is no smaller set.
  @Test(arguments: [([1, 3], 2, 3), ([2], 1, 2), ([1, 2, 5], 3, 5)])
  func aHoleInTheNumbersIsRefused(numbers: [Int], missing: Int, next: Int) throws {
    let folder = try TemporaryFolder()
    for number in numbers {
      try folder.write("data_batch_\(number).bin", cifarBytes(labels: [3, 9, 0]))
    }
    #expect(
      try failure(in: folder, .cifar10, .train).description
        == "\(folder.path)/data_batch_\(missing).bin: not found; data_batch_\(next).bin is there: "
        + "bring the missing file back, or number the files without a hole")
  }

  /// torchvision's root holds both versions, or the Python one alone.
  @Test func thePythonVersionIsNamed() throws {
    let root = try TemporaryFolder()
    #expect(mkdir(root.path + "/cifar-10-batches-py", 0o755) == 0)
    defer { rmdir(root.path + "/cifar-10-batches-py") }
    let text = try failure(in: root, .cifar10, .train).description
    #expect(text.hasPrefix("\(root.path)/cifar-10-batches-py: is the Python version of cifar10"))
    #expect(text.contains("https://www.cs.toronto.edu/~kriz/cifar.html"))
  }

  @Test func reportsAnEmptyFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("test_batch.bin", [])
    #expect(try failure(in: folder, .cifar10, .test).description == "\(path): is empty")
  }

  @Test func reportsALabelOutOfRangeWithItsRecord() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("data_batch_1.bin", cifarBytes(labels: [1, 9, 10]))
    #expect(
      try failure(in: folder, .cifar10, .train).description
        == "\(path): record 2 has label 10, but cifar10 ends at 9")
  }

  @Test func reportsBothLabelsOfCIFAR100() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("train.bin", cifarBytes(labels: [1, 100], variant: .cifar100))
    #expect(
      try failure(in: folder, .cifar100, .train).description
        == "\(path): record 1 has label 100, but cifar100 ends at 99")
    var bytes = cifarBytes(labels: [1, 99], variant: .cifar100)
    bytes[3074] = 20
    try folder.write("train.bin", bytes)
    #expect(
      try failure(in: folder, .cifar100, .train).description
        == "\(path): record 1 has coarse label 20, but cifar100 ends at 19")
  }

  @Test func reportsAFolderInPlaceOfAFile() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/test_batch.bin"
    #expect(mkdir(path, 0o755) == 0)
    defer { rmdir(path) }
    #expect(
      try failure(in: folder, .cifar10, .test).description == "\(path): is not a regular file")
  }

  @Test func reportsAWrongNumberOfClassNames() throws {
    let folder = try TemporaryFolder()
    try folder.write("test_batch.bin", cifarBytes(labels: [0]))
    let path = try folder.write("batches.meta.txt", Array("airplane\nbird\n".utf8))
    #expect(
      try failure(in: folder, .cifar10, .test).description
        == "\(path): has 2 class names, cifar10 has 10")
  }

  @Test(arguments: [(0, Split.train, "train-limit"), (-1, Split.test, "test-limit")])
  func refusesALimitBelowOne(limit: Int, split: Split, setting: String) throws {
    #expect(
      throws: SettingError(setting: setting, value: "\(limit)", allowed: "at least 1")
    ) {
      try CIFARSet(folder: "/tmp", variant: .cifar10, split: split, limit: limit)
    }
  }

  /// The file error that opening the set gives.
  private func failure(
    in folder: TemporaryFolder, _ variant: CIFARSet.Variant, _ split: Split
  ) throws -> FileError {
    let error = #expect(throws: FileError.self) {
      try CIFARSet(folder: folder.path, variant: variant, split: split)
    }
    return try #require(error)
  }
}
