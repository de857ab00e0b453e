import MecaCore
import MecaFormats
import MecaImages
import Testing

@Suite struct NumpyFolderTests {
  /// The arrays of a small set by the names of their files.
  private static let arrays: [String: [UInt8]] = [
    "train-images.npy": bytes([3, 2, 2, 3], (0..<36).map { $0 }),
    "train-labels.npy": bytes([3], [0, 2, 1]),
    "test-images.npy": bytes([2, 2, 2, 3], (0..<24).map { 100 + $0 }),
    "test-labels.npy": bytes([2], [1, 3]),
  ]
  private static let truth: [String: [UInt8]] = [
    "train-roles.npy": bytes([3], [0, 1, 2]), "train-original-labels.npy": bytes([3], [0, 1, 1]),
    "test-triggered-images.npy": bytes([1, 2, 2, 3], [UInt8](repeating: 7, count: 12)),
    "test-triggered-labels.npy": bytes([1], [3]),
  ]

  private static func bytes(_ shape: [Int], _ numbers: [UInt8]) -> [UInt8] {
    NumpyHeader(element: .uint8, shape: shape).bytes + numbers
  }

  private func open(_ files: [String: [UInt8]]) throws -> NumpyFolder {
    let folder = try TemporaryFolder()
    for (name, content) in files { try folder.write(name, content) }
    return try NumpyFolder(folder.path)
  }

  @Test func aPairOfArraysIsEnough() throws {
    let folder = try open(Self.arrays)
    #expect(folder.training.labels == [0, 2, 1] && folder.test.labels == [1, 3])
    #expect(folder.training.classNames == ["class 0", "class 1", "class 2", "class 3"])
    #expect(
      try folder.test.image(at: 1) == [112, 115, 118, 121, 113, 116, 119, 122, 114, 117, 120, 123])
    #expect(folder.training.groundTruth == nil && folder.triggered == nil && folder.target == nil)
    var renamed: [String: [UInt8]] = [:]
    for (old, new) in [
      ("train-images", "x_train"), ("train-labels", "y_train"), ("test-images", "x_test"),
      ("test-labels", "y_test"),
    ] { renamed["\(new).npy"] = Self.arrays["\(old).npy"] }
    #expect(try open(renamed).training.labels == [0, 2, 1])
  }

  @Test func filesOfBothNamingsAreRefused() throws {
    let both = Self.arrays.merging(["x_train.npy": Self.bytes([3, 2, 2, 3], (0..<36).map { $0 })]) {
      $1
    }
    let error = #expect(throws: FileError.self) { try open(both) }
    #expect(
      error?.description.contains("holds train-images.npy and x_train.npy, which are names for")
        == true
    )
  }

  @Test func truthAndTriggersAreRead() throws {
    let names = ["class-names.txt": Array("ant\r\nbee\ncat\ndog\nelk\n".utf8)]
    let folder = try open(Self.arrays.merging(Self.truth) { $1 }.merging(names) { $1 })
    #expect(
      folder.training.groundTruth
        == GroundTruth(roles: [.clean, .poison, .cover], originalLabels: [0, 1, 1]))
    #expect(folder.target == 2 && folder.triggered?.labels == [3])
    #expect(folder.training.classNames == ["ant", "bee", "cat", "dog", "elk"])
    #expect(folder.training.prefix(2).groundTruth?.roles == [.clean, .poison])
  }

  @Test(arguments: [
    (
      ["test-labels.npy": nil],
      "test-labels.npy: not found; npy wants test-labels.npy or y_test.npy"
    ),
    (["train-labels.npy": bytes([2], [0, 1])], "train-images.npy: has 3 images for 2 labels"),
    (
      ["test-images.npy": bytes([2, 2, 1, 3], [UInt8](repeating: 0, count: 12))],
      "test-images.npy: has images of 2x1 pixels, those of training are 2x2"
    ),
    (["train-roles.npy": bytes([3], [0, 1, 3])], "train-roles.npy: role 2 is 3"),
    (["train-roles.npy": bytes([2], [0, 1])], "train-roles.npy: has 2 elements for 3 training"),
    (["train-original-labels.npy": nil], "train-original-labels.npy: not found"),
    (
      ["train-original-labels.npy": bytes([3], [0, 4, 1])],
      "train-original-labels.npy: label 1 is 4; labels go from 0 to 3"
    ),
    (
      ["train-original-labels.npy": bytes([3], [0, 1, 2])],
      "train-original-labels.npy: label 2 is 2, but the sample is no poison and has the label 1"
    ),
    (
      [
        "test-triggered-images.npy": bytes([3, 2, 2, 3], [UInt8](repeating: 7, count: 36)),
        "test-triggered-labels.npy": bytes([3], [3, 0, 1]),
      ], "test-triggered-images.npy: has 3 images for 2 test images"
    ),
    (["train-roles.npy": nil], "test-triggered-images.npy: the class that the triggers lead to"),
    (["test-triggered-labels.npy": nil], "test-triggered-labels.npy: not found"),
    (["class-names.txt": Array("a\nb\n".utf8)], "has 2 class names, the labels need 4 or more"),
  ])
  func whatDoesNotFitIsNamed(change: [String: [UInt8]?], reason: String) throws {
    var files = Self.arrays.merging(Self.truth) { $1 }
    for (name, content) in change { files[name] = content }
    let error = #expect(throws: FileError.self) { try open(files) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }
}
