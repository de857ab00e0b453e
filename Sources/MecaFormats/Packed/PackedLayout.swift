import Foundation
import MecaCore
import MecaImages

/// What a packed file says of its set, beside the samples: the JSON part of its index.
public struct PackedDescription: Codable, Equatable, Sendable {
  /// One part of the set.
  public struct Part: Codable, Equatable, Sendable {
    /// Which.
    public var part: SetPart
    /// Number of samples.
    public var count: Int
    /// Whether role and original label of every sample are kept.
    public var hasTruth: Bool

    /// All values.
    public init(part: SetPart, count: Int, hasTruth: Bool) {
      self.part = part
      self.count = count
      self.hasTruth = hasTruth
    }
  }

  /// Name, classes, size and normalisation of the set that was packed.
  public var facts: SetFacts
  /// The parts in the order of `SetPart`; training and test are always there.
  public var parts: [Part]
  /// The attack that the set was written with, as JSON; nil where none is recorded.
  public var attack: String?
  /// Class that the triggers lead to, where there are triggered samples.
  public var target: Int?

  /// All values.
  public init(facts: SetFacts, parts: [Part], attack: String?, target: Int?) {
    self.facts = facts
    self.parts = parts
    self.attack = attack
    self.target = target
  }
}

/// Where everything lies in a packed file of version 1.
///
/// All numbers are little endian.
///
/// | offset | bytes | content |
/// |---|---|---|
/// | 0 | 8 | magic: 0x89 `MECAP` 0x0D 0x0A |
/// | 8 | 4 | version, 1 |
/// | 16 | 8 | offset of the index |
/// | 24 | 8 | length of the index; the file ends with it |
/// | 32 | 32 | SHA-256 of the index |
/// | 4096 | | images of all parts, one after the other: channel, row, column |
/// | then | | the index |
///
/// The rest of the first 4,096 bytes is zero. The index is the length of its JSON text (8 bytes), the
/// text (``PackedDescription``), and for each part: labels (4 bytes each), where the truth is kept
/// original labels (4) and roles (1), of triggered samples the number of the test sample (4), ends of
/// the paths in the text of the paths (8), that text, and the SHA-256 of each block. A block is as many samples of one part as fit in a MiB, at least one.
///
/// Example: 6,000 images of 3,072 bytes are blocks of 341 samples, 17 whole ones and one of 203.
///
/// Nothing in it depends on who wrote it, or with how many ranks.
public struct PackedLayout: Sendable {
  /// What is packed.
  public let description: PackedDescription
  /// First sample of each part when all samples are counted through, and their number at the end.
  private let starts: [Int]
  /// First block of each part, and the number of blocks at the end.
  private let blockStarts: [Int]
  /// Samples of a block.
  public let blockSamples: Int

  static let magic: [UInt8] = [0x89] + Array("MECAP".utf8) + [0x0D, 0x0A]
  static let version: UInt32 = 1
  /// Bytes of the description's text at most: names of classes for the most part.
  static let mostDescriptionBytes = 64 << 20
  /// Bytes of the index for one sample at most: its path, for the most part.
  static let mostEntryBytes = 8192
  /// Bytes before the first image.
  public static let headerLength = 4096
  static let digestLength = 32
  private static let blockBytes = 1 << 20

  /// The layout of a described set, whose numbers of samples must be in memory's reach.
  public init(_ description: PackedDescription) {
    self.description = description
    let blockSamples = max(1, Self.blockBytes / description.facts.imageShape.byteCount)
    self.blockSamples = blockSamples
    (starts, blockStarts) = description.parts.reduce(into: ([0], [0])) { result, part in
      result.0.append(result.0.last! + part.count)
      result.1.append(result.1.last! + (part.count + blockSamples - 1) / blockSamples)
    }
  }

  /// Number of blocks of all parts.
  public var blockCount: Int { blockStarts.last! }

  /// Part and samples of a block.
  public func block(_ number: Int) -> (part: SetPart, samples: Range<Int>) {
    precondition(number >= 0 && number < blockCount, "block \(number) of \(blockCount)")
    let place = blockStarts.lastIndex { $0 <= number }!
    let part = description.parts[place]
    let first = (number - blockStarts[place]) * blockSamples
    return (part.part, first..<min(first + blockSamples, part.count))
  }

  /// The place of a block's bytes in the file.
  public func bytes(ofBlock number: Int) -> Range<Int> {
    let (part, samples) = block(number)
    let start = offset(of: samples.lowerBound, in: part)
    return start..<start + samples.count * description.facts.imageShape.byteCount
  }

  /// Where a sample's image begins in the file.
  func offset(of index: Int, in part: SetPart) -> Int {
    let place = description.parts.firstIndex { $0.part == part }!
    return Self.headerLength + (starts[place] + index) * description.facts.imageShape.byteCount
  }

  /// Blocks of one part.
  func blocks(of part: SetPart) -> Range<Int> {
    let place = description.parts.firstIndex { $0.part == part }!
    return blockStarts[place]..<blockStarts[place + 1]
  }

  /// Where the index begins: behind the last image.
  public var indexOffset: Int {
    Self.headerLength + starts.last! * description.facts.imageShape.byteCount
  }
}

extension PackedLayout {
  /// The images of a block, as they lie in the file.
  public func content(
    ofBlock number: Int, from set: any ImageSet
  ) throws(FileError) -> [UInt8] {
    try set.images(block(number).samples)
  }

  /// The index.
  ///
  /// - Parameters:
  ///   - sets: the samples of each part that the description names.
  ///   - testIndices: which test sample each triggered one is, ascending.
  ///   - digests: SHA-256 of every block, 32 bytes each, in the order of the blocks.
  public func index(
    of sets: [SetPart: any ImageSet], testIndices: [Int32], digests: [UInt8]
  ) throws -> [UInt8] {
    precondition(digests.count == blockCount * Self.digestLength, "\(digests.count) bytes")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = [UInt8](try encoder.encode(description))
    var index = littleEndian(UInt64(text.count)) + text
    for part in description.parts {
      guard let set = sets[part.part], set.count == part.count else {
        preconditionFailure("the part \(part.part.rawValue) is not the one described")
      }
      for sample in 0..<set.count { index += littleEndian(Int32(set.label(at: sample))) }
      if part.hasTruth, let truth = set.groundTruth {
        for label in truth.originalLabels { index += littleEndian(label) }
        index += truth.roles.map(\.rawValue)
      }
      if part.part == .triggered {
        precondition(testIndices.count == set.count, "\(testIndices.count) for \(set.count)")
        for number in testIndices { index += littleEndian(number) }
      }
      let paths = (0..<set.count).map { Array(set.path(at: $0).utf8) }
      var end: UInt64 = 0
      for path in paths {
        end += UInt64(path.count)
        index += littleEndian(end)
      }
      for path in paths { index += path }
      let blocks = blocks(of: part.part)
      index +=
        digests[
          blocks.lowerBound * Self.digestLength..<blocks.upperBound * Self.digestLength]
    }
    return index
  }

  /// The first bytes of the file, for an index.
  public func header(index: [UInt8]) -> [UInt8] {
    var digest = SHA256Digest()
    digest.update(index)
    var header = Self.magic + littleEndian(Self.version) + [0, 0, 0, 0]
    header += littleEndian(UInt64(indexOffset)) + littleEndian(UInt64(index.count))
    header += digest.bytes()
    return header + [UInt8](repeating: 0, count: Self.headerLength - header.count)
  }
}

/// A number as its bytes, the lowest first.
private func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (8 * Number($0))) }
}
