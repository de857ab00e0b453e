import MecaCore
import MecaFormats
import Testing

/// A `.npy` file put together by hand: version, text of the header, numbers.
func numpyBytes(_ text: String, version: UInt8 = 1, data: [UInt8] = []) -> [UInt8] {
  let length = text.utf8.count
  let lengthBytes = version == 1 ? 2 : 4
  return [0x93] + Array("NUMPY".utf8) + [version, 0]
    + (0..<lengthBytes).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + Array(text.utf8)
    + data
}

@Suite struct NumpyHeaderTests {
  private func header(_ bytes: [UInt8]) throws -> NumpyHeader {
    try bytes.withUnsafeBytes { try NumpyHeader(of: $0, path: "x.npy") }
  }

  private func reason(_ bytes: [UInt8]) -> String {
    do {
      _ = try header(bytes)
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  /// The example of the format's specification, byte by byte.
  @Test func theWrittenHeadIsNumPys() {
    let header = NumpyHeader(element: .float32, shape: [3, 4])
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
    let padded = text + String(repeating: " ", count: 128 - 10 - text.utf8.count - 1) + "\n"
    #expect(header.bytes == numpyBytes(padded))
    #expect(header.dataOffset == 128)
    #expect(NumpyHeader(element: .uint8, shape: [7]).bytes.contains(UInt8(ascii: "|")))
  }

  @Test(arguments: [UInt8(1), 2, 3])
  func everyVersionAndSpellingIsRead(version: UInt8) throws {
    for (text, element, isBigEndian, shape) in [
      (
        "{'descr': '<i8', 'fortran_order': False, 'shape': (5,), }   \n", NumpyElement.int64, false,
        [5]
      ),
      ("{\"shape\": (2L, 3L), \"descr\": \"|u1\", 'fortran_order': False}", .uint8, false, [2, 3]),
      ("{ 'fortran_order' :False,'shape':( 1 , 2,3 , ),'descr':'>f8'}", .float64, true, [1, 2, 3]),
      ("{'descr': '<u2', 'fortran_order': True, 'shape': (4,)}", .uint16, false, [4]),
      ("{'descr': '>i1', 'fortran_order': False, 'shape': ()}", .int8, false, []),
    ] {
      let found = try header(numpyBytes(text, version: version, data: [1, 2]))
      #expect(found.element == element && found.isBigEndian == isBigEndian && found.shape == shape)
      #expect(found.dataOffset == (version == 1 ? 10 : 12) + text.utf8.count)
    }
  }

  @Test(arguments: [
    ("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4)}", "in Fortran order"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "Python objects"),
    ("{'descr': '<U5', 'fortran_order': False, 'shape': (3,)}", "type '<U5'"),
    ("{'descr': '|f4', 'fortran_order': False, 'shape': (3,)}", "type '|f4'"),
    ("{'descr': '<f2', 'fortran_order': False, 'shape': (3,)}", "type '<f2'"),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}", "structured type"),
    ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "neither True nor False"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "not a tuple"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}", "no comma"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "no number"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "too large"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,", "no number"),
    ("{'descr': '<f4', 'fortran_order': False}", "lacks one of the keys"),
    ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "'descr' twice"),
    ("{'descr': '<f4', 'order': False, 'shape': (3,)}", "unknown key 'order'"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "goes on"),
    ("{'descr': '<f\\4', 'fortran_order': False, 'shape': (3,)}", "unusual character"),
    ("__import__('os').system('id')", "no '{' at byte 0"), ("", "no '{' at byte 0"),
    ("{'descr", "without end"), ("{", "no quoted text"), ("{,}", "no quoted text"),
  ])
  func whatIsNoPlainArrayIsSaid(text: String, part: String) {
    #expect(reason(numpyBytes(text)).contains(part), "\(reason(numpyBytes(text)))")
  }

  @Test func whatIsNoNumpyFileIsSaid() {
    let good = numpyBytes("{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}")
    #expect(reason([]).contains("no .npy file"))
    #expect(reason([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 20)).contains(".npz archive"))
    #expect(reason(Array(good.prefix(9))).contains("no .npy file"))
    #expect(reason(Array(good.prefix(20))).contains("cut off"))
    var other = good
    other[6] = 4
    #expect(reason(other).contains("version 4.0"))
    // Headers that say they are far longer than the file, and longer than any is.
    other = numpyBytes("", version: 2)
    other[8] = 200
    #expect(reason(other).contains("cut off"))
    other[11] = 255
    #expect(reason(other).contains("65536 at most"))
  }
}

@Suite struct NumpyFileTests {
  @Test func numbersOfEveryKindAreRead() throws {
    let folder = try TemporaryFolder()
    func integers(_ descriptor: String, _ data: [UInt8], count: Int = 2) throws -> [Int] {
      let text = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(count),)}"
      return try NumpyFile(
        path: try folder.write("a.npy", numpyBytes(text, data: data))
      ).integers()
    }
    #expect(try integers("|u1", [7, 255]) == [7, 255])
    #expect(try integers("|i1", [7, 255]) == [7, -1])
    #expect(try integers("<u2", [1, 2, 255, 255]) == [513, 65535])
    #expect(try integers(">u2", [1, 2, 0, 3]) == [258, 3])
    #expect(try integers("<i2", [1, 2, 255, 255]) == [513, -1])
    #expect(try integers("<u4", [1, 0, 0, 1, 0, 0, 0, 128]) == [16_777_217, 2_147_483_648])
    #expect(try integers(">i4", [0, 0, 1, 0, 255, 255, 255, 254]) == [256, -2])
    #expect(try integers("<i8", [5] + [UInt8](repeating: 0, count: 7), count: 1) == [5])
    #expect(try integers("<u8", [5, 0, 0, 0, 0, 0, 0, 1], count: 1) == [72_057_594_037_927_941])
    let tooLarge = #expect(throws: FileError.self) {
      try integers("<u8", [UInt8](repeating: 255, count: 8), count: 1)
    }
    #expect(tooLarge?.description.contains("element 0 is 18446744073709551615") == true)
    let real = #expect(throws: FileError.self) { try integers("<f4", [0, 0, 0, 0], count: 1) }
    #expect(real?.description.contains("float32 where integers are wanted") == true)
  }

  @Test func theLengthMustFit() throws {
    let folder = try TemporaryFolder()
    func reason(_ shape: String, _ count: Int) throws -> String {
      let text = "{'descr': '<i4', 'fortran_order': False, 'shape': \(shape)}"
      let path = try folder.write(
        "a.npy", numpyBytes(text, data: [UInt8](repeating: 0, count: count)))
      do {
        _ = try NumpyFile(path: path)
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    #expect(try reason("(2, 3)", 24) == "no error")
    #expect(try reason("(0, 3)", 0) == "no error")
    #expect(try reason("()", 4) == "no error")
    #expect(try reason("(2, 3)", 23).contains("shape (2, 3) needs 24 bytes after the header"))
    #expect(try reason("(2, 3)", 25).contains("the file has 25"))
    let half = "4611686018427387904"
    #expect(try reason("(\(half), 2)", 0).contains("more than 2^63 bytes"))
    #expect(try reason("(2305843009213693952,)", 0).contains("more than 2^63 bytes"))
  }
}
