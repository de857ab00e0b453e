import Foundation
import MecaCore
import MecaNN
import Testing

/// The file format: what was written comes back, and damage never does more than throw.
@Suite struct SafetensorsTests {
  static let tensors = [
    NamedTensor(
      name: "a.weight", shape: [2, 3], values: [1, -2, .infinity, .leastNonzeroMagnitude, 5, 6]),
    NamedTensor(name: "bn.num_batches_tracked", shape: [], values: [7], kind: .int64),
    NamedTensor(name: "empty", shape: [0, 4], values: []),
    NamedTensor(name: "z \"quoted\" \\ ü\n", shape: [1], values: [0.5]),
  ]
  static let metadata = ["mean": "[0.5,0.25]", "note": "tab\tand \"quote\""]

  /// A file with this header and so many bytes of data.
  private func file(_ header: String, dataCount: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 0, count: dataCount)
  }

  @Test func roundTrip() throws {
    let path = NSTemporaryDirectory() + "meca-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try writeSafetensors([], metadata: [:], to: path)
    #expect(try readSafetensors(path).0.isEmpty)
    try writeSafetensors(Self.tensors.reversed(), metadata: Self.metadata, to: path)
    let (tensors, metadata) = try readSafetensors(path)
    #expect(tensors == Self.tensors)
    #expect(metadata == Self.metadata)
    let folder = (path as NSString).deletingLastPathComponent
    let leftovers = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
      $0.hasPrefix((path as NSString).lastPathComponent + ".")
    }
    #expect(leftovers.isEmpty)
  }

  @Test func headerIsAlignedAndSorted() throws {
    let bytes = encodeSafetensors(Self.tensors, metadata: Self.metadata)
    #expect(bytes == encodeSafetensors(Self.tensors.reversed(), metadata: Self.metadata))
    #expect(bytes[0] % 8 == 0)
    let text = String(decoding: bytes[8..<60], as: UTF8.self)
    #expect(text.hasPrefix("{\"__metadata__\":{\"mean\":\"[0.5,0.25]\",\"note\":"))
  }

  @Test func missingAndUnwritableFilesSayWhere() {
    #expect(throws: FileError.missing(path: "/no/such.safetensors", hint: "check the path")) {
      try readSafetensors("/no/such.safetensors")
    }
    #expect(throws: FileError.self) {
      try writeSafetensors(Self.tensors, metadata: [:], to: "/no/such/folder/file")
    }
    #expect(throws: FileError.self) { try readSafetensors(NSTemporaryDirectory()) }
  }

  @Test(arguments: [
    ("", 0, "no header"),
    ("[]", 0, "no object"),
    ("{\"a\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "type"),
    ("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "half the bytes"),
    ("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice the bytes"),
    ("{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "half the bytes"),
    ("{\"a\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "integer weights"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "too few bytes"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "negative extent"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1,-1],\"data_offsets\":[0,4]}}", 4, "two negatives"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "backwards"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "before the data"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "one offset"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 0, "behind the end"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9, "left over"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "gap"),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "overlap"
    ),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
      "overflow"
    ),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[0.5],\"data_offsets\":[0,2]}}", 2, "fraction"),
    ("{\"__metadata__\":{\"a\":1}}", 0, "metadata that is no text"),
  ])
  func wrongHeaderIsRefused(_ header: String, _ dataCount: Int, _ what: String) {
    #expect(throws: FileError.self, "\(what)") {
      try decodeSafetensors(file(header, dataCount: dataCount), path: "x")
    }
  }

  /// A file of one tensor whose elements are these bytes.
  private func decoded(_ type: String, _ elements: [[UInt8]]) throws -> [Float] {
    let data = elements.flatMap { $0 }
    let header =
      "{\"a\":{\"dtype\":\"\(type)\",\"shape\":[\(elements.count)],"
      + "\"data_offsets\":[0,\(data.count)]}}"
    let bytes = Array(file(header, dataCount: 0)) + data
    return try #require(try decodeSafetensors(bytes, path: "x").0.first).values
  }

  private func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// Every half-precision number there is, by its definition: (−1)^s · 2^(e−15) · (1 + f/1024), without
  /// the 1 and with e = 1 where e is 0.
  @Test func halvesAreReadExactly() throws {
    let all = (0...UInt16.max).map { $0 }
    let values = try decoded("F16", all.map { bytes($0) })
    #expect(values.count == 65536)
    for (bits, value) in zip(all, values) {
      let (exponent, fraction) = (Int(bits >> 10 & 31), Double(bits & 1023))
      guard exponent < 31 else {
        #expect(fraction > 0 ? value.isNaN : value.isInfinite)
        if fraction == 0 { #expect(value.sign == (bits >> 15 == 0 ? .plus : .minus)) }
        continue
      }
      let magnitude =
        exponent == 0
        ? fraction / 1024 * 0x1p-14
        : (1 + fraction / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
      if Double(value) != (bits >> 15 == 0 ? magnitude : -magnitude) {
        Issue.record("\(bits) gives \(value)")
      }
    }
    #expect(values[0x8000].sign == .minus)
  }

  @Test func bfloat16IsReadExactly() throws {
    let expected: [Float] = [1, -2.5, 0x1.fep127, 0x1p-126, 0x1p-133, 0, .infinity]
    let values = try decoded("BF16", expected.map { bytes(UInt16($0.bitPattern >> 16)) })
    #expect(values == expected)
    #expect(try decoded("BF16", [bytes(UInt16(0x7fc1))])[0].isNaN)
  }

  /// What was trained in F32 and saved in F64 is read; what 32 bits would round is refused.
  @Test func doublesAreReadWhereTheyAreFloats() throws {
    let expected: [Float] = [1, -0.1, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .infinity]
    #expect(try decoded("F64", expected.map { bytes(Double($0).bitPattern) }) == expected)
    #expect(try decoded("F64", [bytes(Double.nan.bitPattern)])[0].isNaN)
    for value in [0.1, 1e300, 0x1p-150, 16_777_217] {
      #expect(
        throws: FileError.malformed(
          path: "x",
          reason: "a: F64 numbers that 32 bits cannot hold; save the model after .float()")
      ) { try decoded("F64", [bytes(value.bitPattern)]) }
    }
  }

  @Test func headerLongerThanTheFileIsRefused() {
    for length: UInt64 in [9, 1 << 40, .max] {
      let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + Array("{}      ".utf8)
      #expect(throws: FileError.self) { try decodeSafetensors(bytes, path: "x") }
    }
  }

  @Test func everyTruncationIsRefused() {
    let bytes = encodeSafetensors(Self.tensors, metadata: Self.metadata)
    for count in 0..<bytes.count {
      #expect(throws: FileError.self, "first \(count) bytes") {
        try decodeSafetensors(Array(bytes[..<count]), path: "x")
      }
    }
  }

  /// Flips one to four random bits; the result is an error of the right kind or
  /// tensors whose sizes agree.
  @Test func flippedBitsNeverCrash() throws {
    let bytes = encodeSafetensors(Self.tensors, metadata: Self.metadata)
    var random = KeyedRandom(seed: 6, purpose: .test)
    var refused = 0
    for _ in 0..<10_000 {
      var damaged = bytes
      for _ in 0...random.integer(below: 4) {
        let bit = random.integer(below: bytes.count * 8)
        damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      }
      do {
        for tensor in try decodeSafetensors(damaged, path: "x").0 {
          #expect(tensor.values.count == tensor.shape.reduce(1, *))
        }
      } catch is FileError {
        refused += 1
      }
    }
    #expect(refused > 5000)
  }
}
