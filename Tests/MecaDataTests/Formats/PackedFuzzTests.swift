import MecaCore
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

/// Damages a packed file in many ways: every one is found, since every byte is under a digest.
@Suite struct PackedFuzzTests {
  @Test func everyDamageIsFound() throws {
    let folder = try TemporaryFolder()
    let good = try PackedExample().bytes()
    var random = KeyedRandom(seed: 2, purpose: .test)
    var reasons: Set<String> = []
    for _ in 0..<casesOfTenThousand {
      var bytes = good
      switch random.integer(below: 8) {
      case 0: bytes.removeLast(1 + random.integer(below: bytes.count))
      case 1: bytes += [UInt8](repeating: 0, count: 1 + random.integer(below: 100))
      case 2:
        // One of the header's numbers, anything.
        let place = [8, 16, 24][random.integer(below: 3)]
        for byte in place..<place + 8 { bytes[byte] = UInt8(truncatingIfNeeded: random.nextWord()) }
      default:
        // Most bytes of the file are the header's zeros; the others matter more.
        let start = random.integer(below: 4) == 0 ? 0 : random.integer(below: 4) == 0 ? 64 : 4096
        let end = start == 0 ? 64 : start == 64 ? 4096 : bytes.count
        for _ in 0...random.integer(below: 3) {
          bytes[start + random.integer(below: end - start)] ^= 1 << UInt8(random.integer(below: 8))
        }
      }
      guard bytes != good else { continue }
      let path = try folder.write("set.meca", bytes)
      let error = #expect(throws: FileError.self) {
        let file = try PackedFile(path: path)
        try file.verify(blocks: 0..<file.layout.blockCount)
      }
      let text = try #require(error?.description)
      #expect(text.hasPrefix(path + ": "))
      reasons.insert(String(text.dropFirst(path.count).prefix(20)))
    }
    #expect(reasons.count >= 6, "\(reasons)")
  }

  /// The same with an index whose digest fits, as an attacker would write it.
  @Test func aForgedIndexNeverCrashesTheReader() throws {
    let folder = try TemporaryFolder()
    let example = PackedExample()
    let good = try example.bytes()
    let layout = PackedLayout(example.description)
    let images = good[4096..<layout.indexOffset]
    let index = Array(good[layout.indexOffset...])
    var random = KeyedRandom(seed: 3, purpose: .test)
    var (reads, errors) = (0, 0)
    for _ in 0..<share(5000) {
      var forged = index
      switch random.integer(below: 6) {
      case 0: forged.removeLast(1 + random.integer(below: forged.count - 1))
      case 1: for byte in 0..<8 { forged[byte] = UInt8(truncatingIfNeeded: random.nextWord()) }
      default:
        for _ in 0...random.integer(below: 3) {
          forged[random.integer(below: forged.count)] ^= 1 << UInt8(random.integer(below: 8))
        }
      }
      let path = try folder.write("set.meca", layout.header(index: forged) + images + forged)
      do {
        let file = try PackedFile(path: path)
        for part in SetPart.allCases {
          guard let set = file.set(part) else { continue }
          for sample in 0..<set.count {
            #expect(set.classNames.indices.contains(set.label(at: sample)))
            #expect(try set.image(at: sample).count == set.imageShape.byteCount)
            _ = set.path(at: sample)
          }
        }
        reads += 1
      } catch let error as FileError {
        #expect(error.description.hasPrefix(path + ": "))
        errors += 1
      }
    }
    #expect(reads > share(300) && errors > share(300), "\(reads) reads, \(errors) errors")
  }
}
