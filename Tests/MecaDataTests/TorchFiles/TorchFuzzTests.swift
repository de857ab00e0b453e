import MecaCore
import MecaFormats
import MecaImages
import MecaTestSupport
import MecaTorchFiles
import Testing

/// Damages files of PyTorch and pickles in many ways each: an error or a correct read, nothing
/// else.
@Suite struct TorchFuzzTests {
  /// Flips bits, cuts off, and puts numbers that headers must not believe over some bytes.
  private func damaged(_ original: [UInt8], _ random: inout KeyedRandom) -> [UInt8] {
    var bytes = original
    let kind = random.integer(below: 6)
    if kind == 0 { bytes.removeLast(random.integer(below: bytes.count)) }
    if kind == 1 {
      let extremes: [UInt64] = [.max, 1 << 63, 1 << 31, 0xFFFF_FFFF, 0x7FFF_FFFF, 0]
      let number = little(extremes[random.integer(below: extremes.count)])
      let length = 1 << random.integer(below: 4)
      let position = random.integer(below: max(1, bytes.count - length))
      bytes.replaceSubrange(position..<min(bytes.count, position + length), with: number[..<length])
    }
    if kind == 2 {
      // A piece of the file in another place.
      let from = random.integer(below: bytes.count)
      let length = min(random.integer(below: 64), bytes.count - from)
      let to = random.integer(below: bytes.count - length + 1)
      bytes.replaceSubrange(to..<to + length, with: original[from..<from + length])
    }
    for _ in 0..<(kind < 3 ? random.integer(below: 2) : 1 + random.integer(below: 4))
    where !bytes.isEmpty {
      bytes[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
    }
    return bytes
  }

  /// Everything that can be asked of a file.
  private func exhaust(_ file: TorchFile) {
    for place in file.contents.tensors.indices {
      let tensor = file.tensor(.tensor(place))
      #expect(tensor?.floats().count == tensor?.count)
      if tensor?.element.isInteger == true { #expect(tensor?.integers()?.count == tensor?.count) }
    }
    for place in file.contents.arrays.indices { _ = try? file.integers(.array(place), "array") }
    for place in file.contents.lists.indices { _ = try? file.integers(.list(place), "list") }
  }

  @Test func survivesDamagedFiles() throws {
    let originals = try ["state.pt", "numpy.pt", "toolbox/clean_set/cifar10/test_split/labels"]
      .map(fixture)
    let folder = try TemporaryFolder()
    var random = KeyedRandom(seed: 41, purpose: .test)
    var (reads, errors) = (0, 0)
    for _ in 0..<casesOfTenThousand {
      let bytes = damaged(originals[random.integer(below: originals.count)], &random)
      let path = try folder.write("damaged.pt", bytes)
      do {
        let file = try TorchFile(path: path)
        exhaust(file)
        reads += 1
      } catch let error as FileError {
        #expect(error.description.hasPrefix(path + ": "))
        errors += 1
      }
    }
    // Damage to the padding between entries is no damage.
    #expect(reads > share(300) && errors > share(5000), "\(reads) reads, \(errors) errors")
  }

  /// Behind a correct CRC-32, where the pickle itself is hostile.
  @Test(arguments: [
    "tensors.pt", "numpy.pt", "bench/record/wanet/train_poison_index_list.pickle",
    "plain/protocol4.pickle",
  ])
  func survivesDamagedPickles(name: String) throws {
    let bytes = try fixture(name)
    var pickle = bytes
    if !name.hasPrefix("plain") {
      let archive = try ZipArchive(MappedFile(path: fixturePath(name)))
      let entry = try #require(archive.entries.first { $0.name.hasSuffix("/data.pkl") })
      pickle = Array(bytes[entry.range])
    }
    var random = KeyedRandom(seed: 42, purpose: .test)
    var (reads, errors) = (0, 0)
    for _ in 0..<casesOfTenThousand {
      do {
        let contents = try PickleReader.read(damaged(pickle, &random), allowsStorages: true)
        for array in contents.arrays { _ = contents.numbers(of: array) }
        for view in contents.tensors { #expect(view.fits(contents.storages[view.storage].count)) }
        reads += 1
      } catch is PickleError {
        errors += 1
      }
    }
    #expect(reads > share(300) && errors > share(1000), "\(reads) reads, \(errors) errors")
  }

  /// Records and models whose pickles are damaged, in archives that are not.
  @Test func survivesDamagedRecords() throws {
    let name = "bench/record/wanet/attack_result.pt"
    let bytes = try fixture(name)
    let archive = try ZipArchive(MappedFile(path: fixturePath(name)))
    func content(_ entry: ZipArchive.Entry) -> [UInt8] { Array(bytes[entry.range]) }
    let pickle = try #require(archive.entries.first { $0.name.hasSuffix("/data.pkl") })
    let storages = try (0..<8).map { index in
      content(try #require(archive["attack_result/data/\(index)"]))
    }
    let tree = try ToolboxTree(copyOf: "bench")
    for (label, index) in [(1, 1), (3, 3), (0, 4)] {
      try tree.writePicture("record/wanet/bd_train_dataset/\(label)/\(index).png", index)
    }
    let base = MemorySet(
      name: "clean", classNames: ["a", "b", "c", "d"],
      imageShape: ImageShape(channels: 3, height: 4, width: 4), labels: [0, 1, 2, 3, 0, 1],
      images: [UInt8](repeating: 0, count: 6 * 48))
    var random = KeyedRandom(seed: 43, purpose: .test)
    var (reads, errors, models) = (0, 0, 0)
    for _ in 0..<casesOfTenThousand {
      let plan = ZipPlan.torch(damaged(content(pickle), &random), storages: storages)
      let path = try tree.write("record/wanet/attack_result.pt", plan.bytes)
      do {
        let record = try BackdoorBenchRecord(tree.path + "/record/wanet")
        let set = try BackdoorBenchSet(record, base: base)
        #expect(set.groundTruth?.roles.count == 6)
        reads += 1
      } catch is FileError {
        errors += 1
      }
      if (try? readTorchStateDictionary(path)) != nil { models += 1 }
    }
    #expect(
      reads > share(500) && errors > share(2500) && models > share(500),
      "\(reads), \(errors), \(models)")
  }
}
