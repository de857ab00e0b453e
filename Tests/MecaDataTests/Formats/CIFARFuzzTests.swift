import MecaCore
import MecaFormats
import MecaTestSupport
import Testing

/// Damages small CIFAR files in many ways: each ends in a clear error or in a correct read.
@Suite struct CIFARFuzzTests {
  @Test func survivesTruncationAndBitFlips() throws {
    let folder = try TemporaryFolder()
    var random = KeyedRandom(seed: 1, purpose: .test)
    var (reads, errors) = (0, 0)
    for _ in 0..<casesOfTenThousand {
      let variant: CIFARSet.Variant = random.integer(below: 2) == 0 ? .cifar10 : .cifar100
      let labelBytes = variant == .cifar10 ? 1 : 2
      let recordLength = labelBytes + 3072
      let classCount = variant == .cifar10 ? 10 : 100
      let labels = (0..<1 + random.integer(below: 3)).map { _ in
        UInt8(random.integer(below: classCount))
      }
      var bytes = cifarBytes(labels: labels, variant: variant)
      switch random.integer(below: 4) {
      case 0: bytes.removeLast(random.integer(below: bytes.count + 1))
      case 1: bytes.removeLast(random.integer(below: labels.count + 1) * recordLength)
      default: break
      }
      for _ in 0..<random.integer(below: 4) where !bytes.isEmpty {
        // Half of the flips hit a label byte, where they matter most.
        let inLabels = random.integer(below: 2) == 0
        let record = random.integer(below: max(1, bytes.count / recordLength))
        let anywhere = random.integer(below: bytes.count)
        let position =
          inLabels
          ? min(bytes.count - 1, record * recordLength + random.integer(below: labelBytes))
          : anywhere
        bytes[position] ^= 1 << UInt8(random.integer(below: 8))
      }
      let file = variant == .cifar10 ? "test_batch.bin" : "test.bin"
      let path = try folder.write(file, bytes)
      let isGood = isWellFormed(bytes, labelBytes, recordLength, classCount)
      do {
        let set = try CIFARSet(folder: folder.path, variant: variant, split: .test)
        #expect(isGood)
        #expect(set.count == bytes.count / recordLength)
        for index in 0..<set.count {
          let start = index * recordLength
          #expect(set.label(at: index) == Int(bytes[start + labelBytes - 1]))
          #expect(
            try set.image(at: index) == Array(bytes[start + labelBytes..<start + recordLength]))
        }
        reads += 1
      } catch let error as FileError {
        #expect(!isGood)
        #expect(error.description.hasPrefix(path + ": "))
        errors += 1
      }
    }
    // Both ways out must have been taken often, or the test tests nothing.
    #expect(reads > share(1500) && errors > share(1500), "\(reads) reads, \(errors) errors")
  }

  /// What the format demands, written down a second time.
  private func isWellFormed(
    _ bytes: [UInt8], _ labelBytes: Int, _ recordLength: Int, _ classCount: Int
  ) -> Bool {
    guard !bytes.isEmpty, bytes.count % recordLength == 0 else { return false }
    return stride(from: 0, to: bytes.count, by: recordLength).allSatisfy { start in
      Int(bytes[start + labelBytes - 1]) < classCount && (labelBytes == 1 || bytes[start] < 20)
    }
  }
}
