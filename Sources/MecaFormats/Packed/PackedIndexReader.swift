import Foundation
import MecaCore
import MecaImages

/// Takes the index of a packed file apart and checks all of it.
///
/// Whoever made the file may have made its digest too, so every number is looked at before it is
/// used.
struct PackedIndexReader {
  private let bytes: UnsafeRawBufferPointer
  private let end: Int
  private let indexOffset: Int
  private let path: String
  private var place: Int

  /// A reader of the index at `place` of a file.
  init(bytes: UnsafeRawBufferPointer, place: Range<Int>, path: String) {
    self.bytes = bytes
    self.place = place.lowerBound
    indexOffset = place.lowerBound
    end = place.upperBound
    self.path = path
  }

  /// Layout and tables.
  mutating func read() throws -> (PackedLayout, [SetPart: PackedFile.Tables]) {
    let length = try take(8)
    let textLength = bytes.loadUnaligned(fromByteOffset: length.lowerBound, as: UInt64.self)
    guard let count = Int(exactly: textLength.littleEndian) else { throw cutOff }
    guard count <= PackedLayout.mostDescriptionBytes else {
      throw bad("its description has \(count) bytes; \(PackedLayout.mostDescriptionBytes) at most")
    }
    let text = try take(count)
    let description: PackedDescription
    do {
      description = try JSONDecoder().decode(PackedDescription.self, from: Data(bytes[text]))
    } catch {
      throw bad("the JSON text of its index is not that of a packed set")
    }
    try check(description)
    let layout = PackedLayout(description)
    var tables: [SetPart: PackedFile.Tables] = [:]
    for part in description.parts { tables[part.part] = try table(of: part, layout) }
    guard place == end else { throw bad("its index is longer than the set needs") }
    return (layout, tables)
  }

  /// Extents, counts, constants and classes of a description.
  private func check(_ description: PackedDescription) throws {
    try description.facts.validate(path: path)
    let shape = description.facts.imageShape
    let classNames = description.facts.classNames
    let parts = description.parts.map(\.part)
    guard parts == SetPart.allCases.filter(parts.contains), parts.starts(with: [.train, .test])
    else { throw bad("its parts are not train, test and perhaps test-triggered") }
    // So many samples that their bytes fit into the file: no sum below can overflow.
    let largest = indexOffset / shape.byteCount
    var total = 0
    for part in description.parts {
      guard part.count >= 0, part.count <= largest - total else {
        throw bad("it is said to have \(part.count) samples in \(part.part.rawValue): too many")
      }
      total += part.count
    }
    guard PackedLayout.headerLength + total * shape.byteCount == indexOffset else {
      throw bad("its images do not end where its index begins")
    }
    if let target = description.target, !classNames.indices.contains(target) {
      throw bad("its target class \(target) is none of its classes")
    }
    guard description.target != nil || !parts.contains(.triggered) else {
      throw bad("it has triggered samples without a target class")
    }
  }

  /// The tables of one part.
  private mutating func table(
    of part: PackedDescription.Part, _ layout: PackedLayout
  ) throws -> PackedFile.Tables {
    let classCount = layout.description.facts.classNames.count
    let labels = try classes(part, "label", classCount: classCount)
    var truth: GroundTruth?
    if part.hasTruth {
      let originals = try classes(part, "original label", classCount: classCount)
      let roles = bytes[try take(part.count)].map { SampleRole(rawValue: $0) }
      guard !roles.contains(nil) else { throw bad("it gives a sample a role that there is not") }
      truth = GroundTruth(roles: roles.compactMap { $0 }, originalLabels: originals)
    }
    let testIndices = part.part == .triggered ? try testIndices(part, layout) : []
    let ends = try take(8 * part.count)
    var last: UInt64 = 0
    for offset in stride(from: ends.lowerBound, to: ends.upperBound, by: 8) {
      let next = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
      guard next >= last else { throw bad("its paths are out of order") }
      last = next
    }
    guard let textLength = Int(exactly: last) else { throw cutOff }
    let text = try take(textLength)
    let digests = try take(layout.blocks(of: part.part).count * PackedLayout.digestLength)
    return PackedFile.Tables(
      labels: labels, truth: truth, testIndices: testIndices, pathEnds: ends.lowerBound,
      pathText: text.lowerBound,
      digests: digests.lowerBound)
  }

  /// A column of class numbers.
  private mutating func classes(
    _ part: PackedDescription.Part, _ what: String, classCount: Int
  ) throws -> [Int32] {
    let numbers = try numbers(part.count)
    return try numbers.enumerated().map { index, label in
      guard label >= 0 && label < classCount else {
        throw bad(
          "the \(what) of sample \(index) of \(part.part.rawValue) is \(label), but it has "
            + "\(classCount) classes")
      }
      return label
    }
  }

  /// Which test sample each triggered one is: ascending, and of those that there are.
  private mutating func testIndices(
    _ part: PackedDescription.Part, _ layout: PackedLayout
  ) throws -> [Int32] {
    let tests = layout.description.parts.first { $0.part == .test }?.count ?? 0
    var last: Int32 = -1
    let numbers = try numbers(part.count)
    for number in numbers {
      guard number > last && number < tests else {
        throw bad("the test samples that it says were triggered are out of order or not there")
      }
      last = number
    }
    return numbers
  }

  /// The next `count` numbers of 4 bytes.
  private mutating func numbers(_ count: Int) throws -> [Int32] {
    let column = try take(4 * count)
    return stride(from: column.lowerBound, to: column.upperBound, by: 4).map {
      bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self).littleEndian
    }
  }

  /// The place of the next `count` bytes.
  private mutating func take(_ count: Int) throws -> Range<Int> {
    guard count >= 0, count <= end - place else { throw cutOff }
    defer { place += count }
    return place..<place + count
  }

  private var cutOff: FileError { bad("its index is shorter than the set needs") }

  private func bad(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
}
