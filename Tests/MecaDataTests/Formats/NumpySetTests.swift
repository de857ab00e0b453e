import MecaCore
import MecaFormats
import MecaImages
import Testing

@Suite struct NumpySetTests {
  /// The pixel of image n, channel c, row i, column j of two images of 2 rows and 4 columns.
  private func pixel(_ n: Int, _ c: Int, _ i: Int, _ j: Int) -> UInt8 {
    UInt8(100 * n + 30 * c + 10 * i + j)
  }

  private func expected(grey: Bool) -> [[UInt8]] {
    (0..<2).map { n in
      (0..<3).flatMap { c in
        (0..<2).flatMap { i in (0..<4).map { j in pixel(n, grey ? 0 : c, i, j) } }
      }
    }
  }

  private func set(
    _ descriptor: String, _ shape: String, _ data: [UInt8], labels: [Int32] = [1, 0]
  ) throws -> NumpySet {
    let folder = try TemporaryFolder()
    let text = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(shape))}"
    let file = try NumpyFile(path: try folder.write("images.npy", numpyBytes(text, data: data)))
    return try NumpySet(
      name: "npy", images: file, labels: labels, classNames: ["a", "b"])
  }

  @Test func everyOrderOfBytesIsRead() throws {
    let last = (0..<48).map { pixel($0 / 24, $0 % 3, $0 / 12 % 2, $0 / 3 % 4) }
    let first = (0..<48).map { pixel($0 / 24, $0 / 8 % 3, $0 / 4 % 2, $0 % 4) }
    let grey = (0..<16).map { pixel($0 / 8, 0, $0 / 4 % 2, $0 % 4) }
    for (shape, data) in [
      ("2, 2, 4, 3", last), ("2, 3, 2, 4", first), ("2, 2, 4", grey), ("2, 1, 2, 4", grey),
      ("2, 2, 4, 1", grey),
    ] {
      let set = try set("|u1", shape, data)
      #expect(set.imageShape == ImageShape(channels: 3, height: 2, width: 4), "\(shape)")
      #expect(try (0..<2).map(set.image) == expected(grey: data.count == 16), "\(shape)")
    }
    // Either extent may be that of the channels.
    for shape in ["1, 3, 2, 3", "2, 3, 3, 1", "2, 1, 9, 1"] {
      let error = #expect(throws: FileError.self) {
        try set(
          "|u1", shape, (0..<18).map { UInt8($0) }, labels: shape.hasPrefix("1") ? [1] : [1, 0])
      }
      #expect(error?.description.contains("may be the second extent or the last") == true)
    }
  }

  /// ⌊255·x + ½⌋, also at the ties; both sizes and both orders of bytes.
  @Test func floatingPointPixelsAreRounded() throws {
    let values: [(Double, UInt8)] = [
      (0, 0), (1, 255), (0.5, 128), (0.25, 64), (1.0 / 255, 1), (254.5 / 255 - 1e-6, 254),
      (0.0019, 0), (0.002, 1), (-0.0005, 0), (1.0005, 255), (0.1, 26), (0.91, 232),
    ]
    func bytes<Number: FixedWidthInteger>(_ number: Number, isBig: Bool) -> [UInt8] {
      let parts = (0..<Number.bitWidth / 8).map {
        UInt8(truncatingIfNeeded: number >> (8 * Number($0)))
      }
      return isBig ? parts.reversed() : parts
    }
    for (descriptor, isBig) in [("<f4", false), (">f4", true), ("<f8", false), (">f8", true)] {
      let data = values.flatMap { value, _ in
        descriptor.hasSuffix("4")
          ? bytes(Float(value).bitPattern, isBig: isBig) : bytes(value.bitPattern, isBig: isBig)
      }
      let set = try set(descriptor, "2, 2, 3", data)
      try set.verifyPixels(of: 0..<2)
      let found = try set.image(at: 0)[0..<6] + set.image(at: 1)[0..<6]
      #expect(Array(found) == values.map(\.1), "\(descriptor)")
    }
  }

  @Test(arguments: [255.0, -0.1, 1.01, Double.nan, Double.infinity])
  func aPixelOutsideIsNamed(value: Double) throws {
    var data = [UInt8](repeating: 0, count: 12 * 8)
    for place in 0..<8 {
      data[8 * 7 + place] = UInt8(value.bitPattern >> (8 * UInt64(place)) & 255)
    }
    let set = try set("<f8", "2, 2, 3", data)
    try set.verifyPixels(of: 0..<1)
    let error = #expect(throws: FileError.self) { try set.verifyPixels(of: 0..<2) }
    #expect(error?.description.contains("image 1 has a pixel of \(value)") == true)
    // What is copied all the same is some byte, not a crash.
    #expect(try set.image(at: 1).count == 18)
  }

  @Test(arguments: [
    ("<i4", "2, 2, 3", 48, "holds int32"), ("|u1", "2, 2", 4, "shape (2, 2)"),
    ("|u1", "2, 2, 2, 2", 16, "shape (2, 2, 2, 2)"), ("|u1", "0, 2, 3", 0, "holds no image"),
    ("|u1", "3, 2, 3", 18, "3 images for 2 labels"),
    ("|u1", "1, 1, 20000", 20000, "1x20000 pixels"),
  ])
  func unsuitableArraysAreSaid(
    descriptor: String, shape: String, count: Int, part: String
  ) throws {
    let error = #expect(throws: FileError.self) {
      try set(descriptor, shape, [UInt8](repeating: 0, count: count))
    }
    #expect(error?.description.contains("images.npy: ") == true)
    #expect(error?.description.contains(part) == true, "\(String(describing: error))")
  }

  @Test func labelsAreCheckedAndLimited() throws {
    let folder = try TemporaryFolder()
    func labels(_ shape: String, _ data: [UInt8]) throws -> [Int32] {
      let text = "{'descr': '|i1', 'fortran_order': False, 'shape': \(shape)}"
      return try readNumpyLabels(try folder.write("labels.npy", numpyBytes(text, data: data)))
    }
    #expect(try labels("(3,)", [5, 0, 127]) == [5, 0, 127])
    #expect(try labels("(3, 1)", [5, 0, 127]) == [5, 0, 127])
    let negative = #expect(throws: FileError.self) { try labels("(3,)", [5, 0, 255]) }
    #expect(negative?.description.contains("label 2 is -1") == true)
    #expect(throws: FileError.self) { try labels("(1, 3)", [5, 0, 1]) }
    let set = try set("|u1", "2, 2, 3", [UInt8](repeating: 9, count: 12)).prefix(1)
    #expect(set.count == 1 && set.label(at: 0) == 1 && set.path(at: 0) == "images.npy#0")
  }
}
