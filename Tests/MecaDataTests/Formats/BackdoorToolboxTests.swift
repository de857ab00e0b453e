import MecaCore
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

/// Sets of backdoor-toolbox: one that PyTorch has written, and what is refused of others.
@Suite struct BackdoorToolboxTests {
  static let attack = "poisoned_train_set/cifar10/TaCT_0.250_cover=0.125_poison_seed=0"

  /// The fixture with the three test pictures, which PyTorch does not write.
  private func tree() throws -> ToolboxTree {
    let tree = try ToolboxTree(copyOf: "toolbox")
    for index in 0..<3 {
      try tree.writePicture("clean_set/cifar10/test_split/data/\(index).png", 100 * index)
    }
    return tree
  }

  private func open(_ tree: ToolboxTree, tests: String? = nil) throws -> BackdoorToolboxFolder {
    try BackdoorToolboxFolder(tree.path + "/" + Self.attack, testFolder: tests)
  }

  /// toolbox() of tools/torch-fixtures.py: byte e of image i is (48 i + e)·7 mod 256.
  @Test func readsWhatTheToolboxWrites() throws {
    let tree = try tree()
    let folder = try open(tree)
    #expect(folder.origin == "cifar10")
    #expect(folder.target == 1)
    #expect(folder.hasUsualNormalisation)
    let set = folder.training
    #expect(set.name == "backdoor-toolbox")
    #expect(set.imageShape == ImageShape(channels: 3, height: 4, width: 4))
    #expect(set.labels == [0, 1, 1, 2, 0, 1, 2, 1])
    // Label 3 occurs in the tests alone.
    #expect(set.classNames == ["class 0", "class 1", "class 2", "class 3"])
    for index in 0..<8 {
      #expect(
        try set.image(at: index)
          == (0..<48).map { UInt8(truncatingIfNeeded: (48 * index + $0) * 7) })
    }
    #expect(set.path(at: 5) == "imgs#5")
    let roles: [SampleRole] = [
      .clean, .clean, .poison, .clean, .clean, .poison, .cover, .clean,
    ]
    #expect(
      set.groundTruth
        == GroundTruth(roles: roles, originalLabels: [0, 1, 1, 2, 0, 1, 2, 1]))
    #expect(set.meanAndDeviation.mean == [0.4914, 0.4822, 0.4465])
    #expect(folder.test.labels == [2, 0, 3])
    #expect(folder.test.groundTruth == nil)
    for index in 0..<3 { #expect(try folder.test.image(at: index) == picture(100 * index)) }
    #expect(folder.test.path(at: 2) == "data/2.png")
  }

  @Test func takesTheFirstSamplesAlone() throws {
    let tree = try tree()
    let folder = try open(tree)
    let first = folder.training.prefix(3)
    #expect(first.labels == [0, 1, 1])
    #expect(first.groundTruth?.roles == [.clean, .clean, .poison])
    #expect(try first.image(at: 2) == folder.training.image(at: 2))
    #expect(folder.test.prefix(1).labels == [2])
    #expect(folder.training.prefix(9).count == 8)
    #expect(folder.training.prefix(nil).groundTruth == folder.training.groundTruth)
  }

  @Test func convertedFilesGoFirst() throws {
    let tree = try tree()
    func numpy(_ element: NumpyElement, _ shape: [Int], _ bytes: [UInt8]) -> [UInt8] {
      NumpyHeader(element: element, shape: shape).bytes + bytes
    }
    // Refused as they are, converted as the error lines say.
    for name in ["imgs", "labels", "poison_indices"] {
      try tree.write(Self.attack + "/" + name, torchBytes(Pickle.global("os", "system")))
    }
    #expect(throws: FileError.self) { try open(tree) }
    try tree.write(
      Self.attack + "/labels.npy", numpy(.int64, [8], (0..<8).flatMap { little(Int64($0 % 3)) }))
    try tree.write(Self.attack + "/poison_indices.npy", numpy(.int64, [1], little(Int64(3))))
    let pixels = (0..<8 * 48).flatMap { little((Float($0 % 256) / 255).bitPattern) }
    try tree.write(Self.attack + "/imgs.npy", numpy(.float32, [8, 3, 4, 4], pixels))
    let folder = try open(tree)
    #expect(folder.training.labels == [0, 1, 2, 0, 1, 2, 0, 1])
    #expect(folder.training.groundTruth?.roles[3] == .poison)
    #expect(
      try folder.training.image(at: 6) == (0..<48).map { UInt8(truncatingIfNeeded: 6 * 48 + $0) })
    #expect(folder.target == 0)
  }

  @Test func readsTheOlderLayout() throws {
    let tree = try tree()
    try tree.remove(Self.attack + "/imgs")
    for index in 0..<8 { try tree.writePicture(Self.attack + "/data/\(index).png", index) }
    let folder = try open(tree, tests: tree.path + "/clean_set/cifar10/test_split")
    #expect(try folder.training.image(at: 6) == picture(6))
    #expect(folder.training.path(at: 6) == "data/6.png")
    #expect(folder.training.groundTruth?.count(.poison) == 2)
    // A picture that is damaged later is named.
    let path = try tree.write(Self.attack + "/data/6.png", [1, 2, 3])
    let damaged = #expect(throws: FileError.self) { try folder.training.image(at: 6) }
    #expect(damaged?.description.hasPrefix(path + ": ") == true)
    try tree.writePicture(Self.attack + "/data/7.png", 7, side: 5)
    let again = try open(tree)
    #expect(throws: FileError.self) { try again.training.verifyImages(of: 7..<8) }
    let other = #expect(throws: FileError.self) { try again.training.image(at: 7) }
    #expect(
      other?.description.hasSuffix(
        "data/7.png: has 5x5 pixels where the others of the set have 4x4") == true)
    try tree.remove(Self.attack + "/data/3.png")
    let error = #expect(throws: FileError.self) { try open(tree) }
    #expect(
      error?.description.hasSuffix(
        "data/3.png: not found; a set of backdoor-toolbox has the tensor imgs, or pictures data/0.png "
          + "to data/7.png") == true)
  }

  @Test func aSetWithoutIndicesHasNoTruth() throws {
    let tree = try tree()
    try tree.remove(Self.attack + "/poison_indices")
    let folder = try open(tree)
    #expect(folder.training.groundTruth == nil)
    #expect(folder.target == nil)
  }

  @Test func severalTargetsAreNone() throws {
    let tree = try tree()
    try tree.write(Self.attack + "/poison_indices", torchList([2, 3]))
    #expect(try open(tree).target == nil)
    try tree.write(Self.attack + "/poison_indices", torchList([]))
    #expect(try open(tree).target == nil)
    #expect(try open(tree).training.groundTruth?.count(.poison) == 0)
  }

  /// ⌊255·x + ½⌋ within 0 to 255; NaN becomes 0.
  @Test func convertsNumbersToBytes() throws {
    let numbers: [Float] = [
      0, 1, 0.5, 0.499 / 255, 0.501 / 255, 1.49 / 255, 254.51 / 255, -0.2, 1.3, .nan, .infinity,
      -.infinity,
    ]
    let expected: [UInt8] = [0, 255, 128, 0, 1, 1, 255, 0, 255, 0, 255, 0]
    let tree = try tree()
    let storage = numbers.flatMap { little($0.bitPattern) }
    try tree.write(Self.attack + "/labels", torchList([0, 1]))
    try tree.write(Self.attack + "/poison_indices", torchList([1]))
    try tree.remove(Self.attack + "/cover_indices")
    try tree.write("tests/labels", torchList([1]))
    try tree.write(
      "tests/data/0.png",
      try encodePNG([1, 2, 3, 4, 5, 6], shape: ImageShape(channels: 3, height: 1, width: 2)))
    // [2, 3, 1, 2], as usual and with steps as channels-last memory has them.
    for strides in [[6, 2, 2, 1], [6, 1, 6, 3]] {
      let tensor = Pickle.tensor(Pickle.storage(count: 12), shape: [2, 3, 1, 2], strides: strides)
      try tree.write(Self.attack + "/imgs", torchBytes(tensor, storages: [storage]))
      let set = try open(tree, tests: tree.path + "/tests").training
      for image in 0..<2 {
        var bytes: [UInt8] = []
        for channel in 0..<3 {
          for column in 0..<2 {
            bytes.append(expected[image * 6 + channel * strides[1] + column * strides[3]])
          }
        }
        #expect(try set.image(at: image) == bytes)
      }
      try set.verifyImages(of: 0..<1)
      let error = #expect(throws: FileError.self) { try set.verifyImages(of: 0..<2) }
      #expect(
        error?.description.hasSuffix(
          "imgs: image 1 has a pixel of nan; they should be 0 to 1: undo any normalisation, or divide "
            + "by 255") == true)
    }
  }

  @Test func pixelsMustBeFromZeroToOne() throws {
    for (value, isGood) in [(Float(-0.5), true), (1.5, true), (-0.6, false), (2, false)] {
      let tree = try tree()
      let numbers = (0..<8 * 48).map { $0 == 100 ? value : Float(0.5) }
      let tensor = Pickle.tensor(
        Pickle.storage(count: 384), shape: [8, 3, 4, 4], strides: [48, 16, 4, 1])
      try tree.write(
        Self.attack + "/imgs",
        torchBytes(tensor, storages: [numbers.flatMap { little($0.bitPattern) }]))
      let set = try open(tree).training
      try set.verifyImages(of: 0..<2)
      if isGood {
        try set.verifyImages(of: 0..<8)
      } else {
        let error = #expect(throws: FileError.self) { try set.verifyImages(of: 0..<8) }
        #expect(error?.description.contains("image 2 has a pixel of \(value);") == true)
      }
    }
  }

  @Test func refusesWhatDoesNotFitTogether() throws {
    func line(_ change: (ToolboxTree) throws -> Void) throws -> String {
      let tree = try tree()
      try change(tree)
      let error = #expect(throws: FileError.self) { try open(tree) }
      return (error?.description ?? "").replacing(tree.path + "/" + Self.attack + "/", with: "")
        .replacing(tree.path, with: "")
    }
    func images(_ value: Float, shape: [Int]) -> [UInt8] {
      let count = shape.reduce(1, *)
      var strides = [Int](repeating: 1, count: shape.count)
      for index in shape.indices.dropLast().reversed() {
        strides[index] = strides[index + 1] * shape[index + 1]
      }
      return torchBytes(
        Pickle.tensor(Pickle.storage(count: count), shape: shape, strides: strides),
        storages: [(0..<count).flatMap { _ in little(value.bitPattern) }])
    }
    #expect(
      try line { try $0.write(Self.attack + "/poison_indices", torchList([8])) }
        == "poison_indices: names sample 8, the set has 8")
    #expect(
      try line { try $0.write(Self.attack + "/poison_indices", torchList([-1])) }
        == "poison_indices: names sample -1, the set has 8")
    #expect(
      try line { try $0.write(Self.attack + "/poison_indices", torchList([6])) }
        == "cover_indices: sample 6 is in poison_indices too")
    #expect(
      try line { try $0.write(Self.attack + "/poison_indices", torchBytes(Pickle.text("2"))) }
        == "poison_indices: the indices should be integers, and is a text")
    #expect(
      try line { try $0.write(Self.attack + "/labels", torchList([0, -1])) }
        == "labels: label 1 is -1; labels go from 0 to 65535")
    #expect(
      try line { try $0.write(Self.attack + "/labels", torchList([0, 70000])) }
        == "labels: label 1 is 70000; labels go from 0 to 65535")
    #expect(
      try line { try $0.write(Self.attack + "/labels", torchList([])) } == "labels: has no labels")
    #expect(
      try line { try $0.remove(Self.attack + "/labels") }
        == "labels: not found; a set of backdoor-toolbox has its labels there; is this the folder of "
        + "one attack?")
    #expect(
      try line { try $0.write(Self.attack + "/labels", torchList([0, 1])) }
        == "imgs: is a tensor of float32 and shape [8, 3, 4, 4]; 2 labels need float32 [2, 3, height, "
        + "width]")
    #expect(
      try line { try $0.write(Self.attack + "/imgs", torchList([1])) }
        == "imgs: holds a list, not the tensor of images")
    #expect(
      try line { try $0.write(Self.attack + "/imgs", images(1, shape: [8, 3, 2, 2])) }
        == "/clean_set/cifar10/test_split: has images of 4x4 pixels, those of training have 2x2")
    #expect(
      try line { try $0.remove("clean_set") }.hasSuffix(
        "/clean_set/cifar10/test_split: not found; the toolbox's test split "
          + "is a folder with data and labels; name it by the setting test-data"))
  }
}
