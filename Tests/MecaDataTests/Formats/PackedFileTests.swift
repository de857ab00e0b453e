import Foundation
import MecaCore
import MecaFormats
import MecaImages
import Testing

/// A small set with everything that a packed file can hold.
struct PackedExample {
  let sets: [SetPart: any ImageSet]
  let testIndices: [Int32] = [0, 2, 3]
  let description: PackedDescription

  /// A part with noise for images and odd paths.
  struct Part: ImageSet {
    var base: MemorySet
    var groundTruth: GroundTruth?
    var name: String { base.name }
    var classNames: [String] { base.classNames }
    var imageShape: ImageShape { base.imageShape }
    var count: Int { base.count }
    var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) { base.meanAndDeviation }
    func label(at index: Int) -> Int { base.label(at: index) }
    func path(at index: Int) -> String { base.path(at: index) }
    func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
      base.copyImage(at: index, into: &image)
    }
  }

  init(shape: ImageShape = ImageShape(channels: 3, height: 2, width: 3), train: Int = 5) {
    func part(_ part: SetPart, _ count: Int, truth: GroundTruth? = nil) -> Part {
      var random = KeyedRandom(seed: 1, purpose: .test, part.rawValue.count)
      let images = (0..<count * shape.byteCount).map { _ in
        UInt8(truncatingIfNeeded: random.nextWord())
      }
      return Part(
        base: MemorySet(
          name: "example", classNames: ["a", "b,\"c\"", "é"], imageShape: shape,
          labels: (0..<count).map { ($0 * 7 + part.rawValue.count) % 3 }, images: images,
          meanAndDeviation: ([0.1, 0.25, 1.0 / 3], [0.3, 0.7, 0.0123456789]),
          path: { $0 == 1 ? "" : "\(part.rawValue)/ü \($0).png" }),
        groundTruth: truth)
    }
    let truth = GroundTruth(
      roles: (0..<train).map { SampleRole.allCases[$0 % 3] },
      originalLabels: (0..<train).map { Int32($0 % 3) })
    sets = [
      .train: part(.train, train, truth: truth), .test: part(.test, 4),
      .triggered: part(.triggered, 3),
    ]
    description = PackedDescription(
      facts: SetFacts(of: sets[.train]!),
      parts: SetPart.allCases.map {
        .init(
          part: $0, count: [.train: train, .test: 4, .triggered: 3][$0]!, hasTruth: $0 == .train)
      }, attack: "{\"kind\":\"badnets\"}", target: 1)
  }

  /// The whole file, written in one go.
  func bytes() throws -> [UInt8] {
    let layout = PackedLayout(description)
    var content: [UInt8] = []
    var digests: [UInt8] = []
    for number in 0..<layout.blockCount {
      let block = try layout.content(ofBlock: number, from: sets[layout.block(number).part]!)
      #expect(layout.bytes(ofBlock: number).lowerBound == PackedLayout.headerLength + content.count)
      content += block
      var digest = SHA256Digest()
      digest.update(block)
      digests += digest.bytes()
    }
    let index = try layout.index(of: sets, testIndices: testIndices, digests: digests)
    return layout.header(index: index) + content + index
  }
}

@Suite struct PackedFileTests {
  @Test func everythingComesBack() throws {
    let folder = try TemporaryFolder()
    let example = PackedExample()
    let file = try PackedFile(path: try folder.write("set.meca", try example.bytes()))
    try file.verify(blocks: 0..<file.layout.blockCount)
    #expect(file.description == example.description)
    #expect(file.testIndices == example.testIndices)
    for (part, original) in example.sets {
      let set = try #require(file.set(part))
      #expect(set.count == original.count && set.name == "example")
      #expect(set.labels == original.labels && set.classNames == original.classNames)
      #expect(try set.images(0..<set.count) == original.images(0..<set.count))
      #expect((0..<set.count).map(set.path) == (0..<set.count).map(original.path))
      #expect(set.groundTruth == original.groundTruth)
      #expect(set.meanAndDeviation.mean == original.meanAndDeviation.mean)
      #expect(
        set.meanAndDeviation.standardDeviation == original.meanAndDeviation.standardDeviation)
      let two = try #require(file.set(part, limit: 2))
      #expect(try two.count == 2 && two.image(at: 1) == original.image(at: 1))
      #expect(
        two.groundTruth?.roles == original.groundTruth.map { Array($0.roles.prefix(2)) })
    }
  }

  /// Blocks of 341 images of 32x32: 700 training samples are three of them.
  @Test func blocksHoldAMiBOfOnePart() throws {
    let example = PackedExample(shape: .init(channels: 3, height: 32, width: 32), train: 700)
    let layout = PackedLayout(example.description)
    #expect(layout.blockSamples == 341 && layout.blockCount == 5)
    let blocks = (0..<5).map(layout.block)
    #expect(blocks.map(\.part) == [.train, .train, .train, .test, .triggered])
    #expect(blocks.map(\.samples) == [0..<341, 341..<682, 682..<700, 0..<4, 0..<3])
    #expect(layout.bytes(ofBlock: 3) == 4096 + 700 * 3072..<4096 + 704 * 3072)
    #expect(layout.indexOffset == 4096 + 707 * 3072)
  }

  @Test func aDamagedBlockIsNamed() throws {
    let folder = try TemporaryFolder()
    let example = PackedExample(shape: .init(channels: 3, height: 32, width: 32), train: 700)
    var bytes = try example.bytes()
    bytes[4096 + 500 * 3072 + 5] ^= 1
    let file = try PackedFile(path: try folder.write("set.meca", bytes))
    try file.verify(blocks: 0..<1)
    try file.verify(blocks: 2..<5)
    let error = #expect(throws: FileError.self) { try file.verify(blocks: 0..<5) }
    #expect(
      error?.description.hasPrefix(
        "\(folder.path)/set.meca: block 1, samples 341 to 681 of train, is not what was packed")
        == true)
    #expect(error?.exitCode == .badData)
  }

  /// A file whose digest is right but whose index lies: whoever made it made the digest too.
  @Test func anIndexThatLiesIsRefused() throws {
    let folder = try TemporaryFolder()
    let example = PackedExample()
    let bytes = try example.bytes()
    let layout = PackedLayout(example.description)
    let index = Array(bytes[layout.indexOffset...])
    let length = index[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    /// Other text before the same tables.
    func reason(_ change: (inout PackedDescription) -> Void) throws -> String {
      var description = example.description
      change(&description)
      let text = try JSONEncoder().encode(description)
      let lying =
        (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
        + index[(8 + length)...]
      let file = layout.header(index: lying) + bytes[4096..<layout.indexOffset] + lying
      do {
        _ = try PackedFile(path: try folder.write("set.meca", file))
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    #expect(try reason { _ in } == "no error")
    #expect(try reason { $0.parts[0].count = Int.max }.contains("too many"))
    #expect(try reason { $0.parts[0].count = -1 }.contains("too many"))
    #expect(try reason { $0.parts[0].count -= 1 }.contains("do not end where its index begins"))
    #expect(
      try reason {
        $0.parts[0].count -= 1
        $0.parts[1].count += 1
      } != "no error")
    #expect(try reason { $0.parts.removeLast() }.contains("do not end"))
    #expect(try reason { $0.parts.swapAt(0, 1) }.contains("not train, test"))
    #expect(try reason { $0.parts[1].part = .train }.contains("not train, test"))
    #expect(try reason { $0.facts.imageShape.height = -2 }.contains("3 channels of -2x3"))
    #expect(try reason { $0.facts.imageShape.width = 1 << 40 }.contains("at most"))
    #expect(try reason { $0.facts.imageShape.channels = 1 }.contains("1 channels"))
    #expect(try reason { $0.facts.classNames.removeLast() }.contains("it has 2 classes"))
    #expect(try reason { $0.facts.classNames = [] }.contains("0 classes"))
    #expect(try reason { $0.facts.standardDeviation[1] = 0 }.contains("deviations above 0"))
    #expect(try reason { $0.facts.mean = [] }.contains("3 numbers"))
    #expect(try reason { $0.target = 3 }.contains("target class 3"))
    #expect(try reason { $0.target = nil }.contains("without a target"))
    #expect(try reason { $0.parts[0].hasTruth = false } != "no error")
    #expect(try reason { $0.parts[1].hasTruth = true } != "no error")
  }
}
