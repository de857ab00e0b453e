import MecaCore
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

/// Damages `.npy` files in many ways: each ends in a clear error or in a correct read.
@Suite struct NumpyFuzzTests {
  @Test func survivesTruncationFlipsAndHugeHeaders() throws {
    let folder = try TemporaryFolder()
    var random = KeyedRandom(seed: 4, purpose: .test)
    var (reads, errors) = (0, 0)
    for _ in 0..<casesOfTenThousand {
      let isLabels = random.integer(below: 2) == 0
      let element: NumpyElement =
        isLabels
        ? NumpyElement.allCases[random.integer(below: 8)]
        : [.uint8, .float32, .float64][random.integer(below: 3)]
      let shape = isLabels ? [1 + random.integer(below: 4)] : [2, 2, 3, 3]
      let header = NumpyHeader(element: element, shape: shape)
      let numbers = shape.reduce(1, *)
      var bytes = header.bytes
      // Small integers, and floating-point zeros.
      for _ in 0..<numbers {
        let value: UInt8 = element.isInteger ? UInt8(random.integer(below: 5)) : 0
        bytes += [value] + [UInt8](repeating: 0, count: element.size - 1)
      }
      damage(&bytes, &random, headerLength: header.bytes.count)
      let path = try folder.write("a.npy", bytes)
      do {
        if isLabels {
          let labels = try readNumpyLabels(path)
          #expect(labels == integers(bytes), "\(bytes)")
        } else {
          let file = try NumpyFile(path: path)
          // As many labels as it takes.
          let count = file.header.shape.first ?? 0
          let set = try NumpySet(
            name: "npy", images: file,
            labels: [Int32](repeating: 0, count: min(count, bytes.count)), classNames: ["a"])
          try set.verifyPixels(of: 0..<set.count)
          for index in 0..<min(set.count, 4) {
            #expect(try set.image(at: index).count == set.imageShape.byteCount)
          }
          #expect(
            file.header.dataOffset + count * file.header.element.size
              * file.header.shape.dropFirst().reduce(1, *) == bytes.count)
        }
        reads += 1
      } catch let error as FileError {
        #expect(error.description.hasPrefix(path + ": "))
        errors += 1
      }
    }
    // Both ways out must have been taken often, or the test tests nothing.
    #expect(reads > share(1000) && errors > share(1000), "\(reads) reads, \(errors) errors")
  }

  private func damage(_ bytes: inout [UInt8], _ random: inout KeyedRandom, headerLength: Int) {
    switch random.integer(below: 6) {
    case 0: bytes.removeLast(1 + random.integer(below: bytes.count))
    case 1: bytes += [UInt8](repeating: 0, count: 1 + random.integer(below: 9))
    case 2:
      // Any length of the header, and any digit of an extent.
      for place in 8..<10 { bytes[place] = UInt8(truncatingIfNeeded: random.nextWord()) }
      if random.integer(below: 2) == 0 { bytes[6] = 2 }
    case 3:
      let start = bytes.firstIndex(of: UInt8(ascii: "("))!
      let digits = Array("\(random.next())".utf8)
      bytes.replaceSubrange(start + 1..<start + 2, with: digits)
      bytes.remove(at: headerLength - 2)
    default:
      for _ in 0...random.integer(below: 2) {
        let inHeader = random.integer(below: 3) == 0
        let place =
          inHeader
          ? random.integer(below: headerLength)
          : headerLength + random.integer(below: bytes.count - headerLength)
        bytes[place] ^= 1 << UInt8(random.integer(below: 8))
      }
    }
  }

  /// The integers of a file, read a second time in a simple way.
  private func integers(_ bytes: [UInt8]) -> [Int32] {
    let lengthBytes = bytes[6] == 1 ? 2 : 4
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    let start = 8 + lengthBytes + length
    let text = String(decoding: bytes[8 + lengthBytes..<start], as: UTF8.self)
    guard let code = NumpyElement.allCases.first(where: { text.contains("\($0.rawValue)'") }) else {
      return []
    }
    let isBig = text.contains(">\(code.rawValue)") && code.size > 1
    return stride(from: start, to: bytes.count, by: code.size).map { place in
      let own = Array(bytes[place..<min(place + code.size, bytes.count)])
      let value = (isBig ? own : own.reversed()).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return Int32(truncatingIfNeeded: value)
    }
  }
}
