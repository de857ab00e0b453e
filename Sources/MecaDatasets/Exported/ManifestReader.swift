import MecaCore
import MecaFormats
import MecaImages

/// Takes a manifest apart, line by line.
struct ManifestReader {
  let path: String
  let classCount: Int

  private static let comma = UInt8(ascii: ",")
  private static let quote = UInt8(ascii: "\"")
  /// Bytes of a line at most; a path of 4,096 bytes, all of them quotes, and five numbers and words.
  private static let longestLine = 65_536

  /// The rows of all parts, sorted by index.
  func rows(of bytes: UnsafeRawBufferPointer) throws -> [SetPart: [ManifestRow]] {
    var rows: [SetPart: [ManifestRow]] = [:]
    var line = 0
    var start = 0
    while start < bytes.count {
      line += 1
      let most = min(bytes.count, start + Self.longestLine)
      guard let end = bytes[start..<most].firstIndex(of: 10) else {
        throw bad(
          line, most == bytes.count ? "is cut off" : "has more than \(Self.longestLine) bytes")
      }
      var text = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      if text.last == 13 { text = UnsafeRawBufferPointer(rebasing: text.dropLast()) }
      start = end + 1
      if line == 1 {
        guard text.elementsEqual(SetManifest.head.utf8) else {
          throw bad(1, "is not \"\(SetManifest.head)\"")
        }
      } else {
        let (part, row) = try row(text, line)
        rows[part, default: []].append(row)
      }
    }
    guard line > 0 else { throw FileError.malformed(path: path, reason: "is empty") }
    return rows.mapValues { rows in
      rows.indices.dropFirst().allSatisfy({ rows[$0 - 1].index <= rows[$0].index })
        ? rows : rows.sorted { ($0.index, $0.line) < ($1.index, $1.line) }
    }
  }

  private func row(_ text: UnsafeRawBufferPointer, _ line: Int) throws -> (SetPart, ManifestRow) {
    let fields = try fields(text, line)
    guard fields.count == 6 else { throw bad(line, "has \(fields.count) fields, not 6") }
    guard let part = SetPart(rawValue: fields[5]) else {
      throw bad(line, "split \"\(shortened(fields[5]))\" is none of train, test, test-triggered")
    }
    guard let role = SampleRole.allCases.first(where: { "\($0)" == fields[4] }) else {
      throw bad(line, "role \"\(shortened(fields[4]))\" is none of clean, poison, cover")
    }
    let row = ManifestRow(
      index: try number(fields[0], "index", below: Int(Int32.max), line), path: fields[1],
      label: Int32(try number(fields[2], "label", below: classCount, line)),
      originalLabel: Int32(try number(fields[3], "original label", below: classCount, line)),
      role: role, line: line)
    guard !row.path.isEmpty else { throw bad(line, "has no path") }
    guard role == .poison || row.label == row.originalLabel else {
      throw bad(
        line,
        "a \(role) sample has the label \(row.label), but the original label "
          + "\(row.originalLabel)")
    }
    guard part != .test || role == .clean else {
      throw bad(line, "a test sample has the role \(role); only clean ones belong there")
    }
    return (part, row)
  }

  /// The fields of a line.
  private func fields(_ text: UnsafeRawBufferPointer, _ line: Int) throws -> [String] {
    var fields: [String] = []
    var place = 0
    while true {
      var content: [UInt8] = []
      if place < text.count, text[place] == Self.quote {
        place += 1
        while true {
          guard place < text.count else { throw bad(line, "has a quote without end") }
          if text[place] == Self.quote {
            place += 1
            guard place < text.count, text[place] == Self.quote else { break }
          }
          content.append(text[place])
          place += 1
        }
        guard place == text.count || text[place] == Self.comma else {
          throw bad(line, "goes on after a closing quote")
        }
      } else {
        let end = text[place...].firstIndex(of: Self.comma) ?? text.count
        content += text[place..<end]
        place = end
      }
      guard let field = String(validating: content, as: UTF8.self) else {
        throw bad(line, "is not UTF-8")
      }
      fields.append(field)
      guard place < text.count else { return fields }
      place += 1
    }
  }

  private func number(_ text: String, _ what: String, below bound: Int, _ line: Int) throws -> Int {
    guard let value = Int(text), "\(value)" == text else {
      throw bad(line, "\(what) \"\(shortened(text))\" is no number")
    }
    guard value >= 0 && value < bound else {
      throw bad(line, "\(what) \(value) is not from 0 to \(bound - 1)")
    }
    return value
  }

  /// Makes sure that sorted rows have the indices 0 to n − 1.
  func requireWhole(_ rows: [ManifestRow], _ part: SetPart) throws {
    for (index, row) in rows.enumerated() where row.index != index {
      if index > 0, rows[index - 1].index == row.index {
        throw bad(row.line, "index \(row.index) of \(part.rawValue) comes again")
      }
      throw bad(row.line, "index \(index) of \(part.rawValue) is missing before \(row.index)")
    }
  }

  /// Makes sure that sorted rows belong to test samples and lead to the target.
  func checkTriggered(_ rows: [ManifestRow], tests: Int, target: Int?) throws {
    for (place, row) in rows.enumerated() {
      guard row.index < tests else {
        throw bad(row.line, "test sample \(row.index) was triggered, but there are \(tests)")
      }
      if place > 0, rows[place - 1].index == row.index {
        throw bad(row.line, "index \(row.index) of test-triggered comes again")
      }
      guard let target, row.label == target else {
        throw bad(
          row.line,
          "a triggered sample has the label \(row.label), but the target is "
            + (target.map { "\($0)" } ?? "not given"))
      }
      guard row.role == .poison else {
        throw bad(row.line, "a triggered sample has the role \(row.role)")
      }
    }
  }

  private func bad(_ line: Int, _ reason: String) -> FileError {
    .malformed(path: path, reason: "line \(line): \(reason)")
  }
}
