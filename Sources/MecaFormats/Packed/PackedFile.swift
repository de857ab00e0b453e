import Foundation
import MecaCore
import MecaImages

/// A packed file, mapped into memory: head and index are checked when it is opened, the images by
/// `verify`.
public final class PackedFile: Sendable {
  /// Tables of one part.
  struct Tables: Sendable {
    var labels: [Int32]
    var truth: GroundTruth?
    /// Which test sample each one is; for triggered samples alone.
    var testIndices: [Int32]
    /// Where the ends of the paths begin in the file, and where their text does.
    var pathEnds: Int
    var pathText: Int
    /// Where the digests of its blocks begin.
    var digests: Int
  }

  let file: MappedFile
  /// Where everything lies.
  public let layout: PackedLayout
  /// SHA-256 of the index, in which those of all blocks stand: the whole content's.
  public let indexDigest: String
  let tables: [SetPart: Tables]

  /// What the file says of its set.
  public var description: PackedDescription { layout.description }
  /// Path as given.
  public var path: String { file.path }

  /// Opens the file at `path`.
  ///
  /// - Throws: `FileError` that names the file: missing, not a packed file, of another version, cut
  ///   off, or damaged in its index.
  public init(path: String) throws {
    let file = try MappedFile(path: path)
    self.file = file
    let place = try file.withBytes { try Self.index(in: $0, path: path) }
    (indexDigest, layout, tables) = try file.withBytes { bytes in
      let index = UnsafeRawBufferPointer(rebasing: bytes[place])
      var digest = SHA256Digest()
      digest.update(index)
      let found = digest.hexadecimal()
      guard found == hexadecimal(bytes[32..<64]) else {
        throw FileError.malformed(
          path: path,
          reason:
            "its index is not the one that was written (SHA-256 differs); copy the file again, "
            + "or pack the set again")
      }
      var reader = PackedIndexReader(bytes: bytes, place: place, path: path)
      let (layout, tables) = try reader.read()
      return (found, layout, tables)
    }
  }

  /// Checks the first bytes of a file.
  ///
  /// - Returns: the place of the index.
  private static func index(in bytes: UnsafeRawBufferPointer, path: String) throws -> Range<Int> {
    func bad(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
    guard bytes.starts(with: PackedLayout.magic) else {
      throw bad("is no packed file (meca-dist pack makes one)")
    }
    guard bytes.count >= PackedLayout.headerLength else { throw bad("is cut off in its header") }
    let version = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self).littleEndian
    guard version == PackedLayout.version else {
      throw bad(
        "has version \(version) of the packed format; this program knows \(PackedLayout.version)")
    }
    let offset = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self).littleEndian
    let length = bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self).littleEndian
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow, offset >= PackedLayout.headerLength, end == bytes.count else {
      throw bad(
        "has \(bytes.count) bytes, its header says that \(length) bytes of index end the file from "
          + "\(offset) on; it is cut off or damaged")
    }
    // Before the index is read for its digest: no image has less than three bytes.
    let images = (Int(offset) - PackedLayout.headerLength) / 3
    guard Int(length) - PackedLayout.mostDescriptionBytes <= images * PackedLayout.mostEntryBytes
    else { throw bad("has an index of \(length) bytes, more than its images can have") }
    let unused = [Int](12..<16) + [Int](64..<PackedLayout.headerLength)
    guard unused.allSatisfy({ bytes[$0] == 0 }) else { throw bad("is damaged in its header") }
    return Int(offset)..<Int(end)
  }

  /// Checks the images of some blocks against the digests in the index.
  ///
  /// - Ranks: local; the ranks of a host can share the blocks among them.
  /// - Throws: `FileError.malformed` that names block and samples.
  public func verify(blocks: Range<Int>) throws {
    try file.withBytes { bytes in
      for number in blocks {
        var digest = SHA256Digest()
        digest.update(UnsafeRawBufferPointer(rebasing: bytes[layout.bytes(ofBlock: number)]))
        let (part, samples) = layout.block(number)
        let length = PackedLayout.digestLength
        let place =
          tables[part]!.digests + (number - layout.blocks(of: part).lowerBound) * length
        guard digest.bytes().elementsEqual(bytes[place..<place + length]) else {
          throw FileError.malformed(
            path: path,
            reason:
              "block \(number), samples \(samples.lowerBound) to \(samples.upperBound - 1) of "
              + "\(part.rawValue), is not what was packed (SHA-256 differs); copy the file again, or "
              + "pack the set again")
        }
      }
    }
  }

  /// Which test sample each triggered sample is, ascending.
  public var testIndices: [Int32] { tables[.triggered]?.testIndices ?? [] }

  /// The samples of a part; nil where the file has none.
  public func set(_ part: SetPart, limit: Int? = nil) -> PackedSet? {
    tables[part].map { PackedSet(file: self, part: part, tables: $0, limit: limit) }
  }
}

/// One part of a packed file.
public struct PackedSet: ImageSet {
  private let file: PackedFile
  private let part: SetPart
  private let tables: PackedFile.Tables
  private let start: Int
  /// Number of samples.
  public let count: Int
  /// What each sample really is, where the set was packed with its truth.
  public let groundTruth: GroundTruth?

  init(file: PackedFile, part: SetPart, tables: PackedFile.Tables, limit: Int?) {
    self.file = file
    self.part = part
    self.tables = tables
    start = file.layout.offset(of: 0, in: part)
    let count = min(tables.labels.count, limit ?? Int.max)
    self.count = count
    groundTruth = tables.truth.map {
      GroundTruth(
        roles: Array($0.roles.prefix(count)),
        originalLabels: Array($0.originalLabels.prefix(count)))
    }
  }

  /// Name of the set that was packed.
  public var name: String { file.description.facts.name }
  /// Names of the classes.
  public var classNames: [String] { file.description.facts.classNames }
  /// Size of every image.
  public var imageShape: ImageShape { file.description.facts.imageShape }
  /// Normalisation constants of the set that was packed.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    file.description.facts.meanAndDeviation
  }

  /// SHA-256 of the index, in which those of all images stand, and of what is used of the file.
  ///
  /// Whoever opens the file sees to it that the images are verified.
  public var contentDigest: String? {
    var digest = SHA256Digest()
    digest.update(Array("\(file.indexDigest) \(part.rawValue) \(count)".utf8))
    return digest.hexadecimal()
  }

  /// The packed file.
  public func forEachSource(_ body: ([UInt8]) -> Void) { body(Array(file.path.utf8)) }

  /// Class of the sample at `index`.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(tables.labels[index])
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    requireIndex(index)
    let size = imageShape.byteCount
    let first = start + index * size
    file.file.withBytes { bytes in
      image.copy(fromBytes: UnsafeRawBufferPointer(rebasing: bytes[first..<first + size]))
    }
  }

  /// Where the sample came from when it was packed.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return file.file.withBytes { bytes in
      func end(_ index: Int) -> Int {
        guard index >= 0 else { return 0 }
        let place = tables.pathEnds + 8 * index
        return Int(bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self).littleEndian)
      }
      return String(
        decoding: bytes[tables.pathText + end(index - 1)..<tables.pathText + end(index)],
        as: UTF8.self)
    }
  }
}
