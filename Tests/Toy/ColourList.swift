import MecaCore
import MecaFormats
import MecaImages

/// A format that is none of the program's own: a text file with a line `CLASS RED GREEN BLUE` for
/// each image, which is of that one colour.
///
/// Every fifth line is a test sample. All that it takes to add a format: this file, and the line in `Program.swift`.
struct ColourList: DatasetFormat {
  struct Settings: SettingsTable {
    /// Rows and columns.
    var side = 8

    static var table: [Setting<Settings>] {
      [.integer("side", \.side, 1...64, "Rows and columns of the images.")]
    }
  }

  static let facts = FormatFacts(
    name: "colours", sentence: "A text file with a line CLASS RED GREEN BLUE for each image.",
    place: .file("the list of colours"), holdsAnySet: true)

  let settings: Settings

  init(_ settings: Settings) { self.settings = settings }

  func open(_ place: DataPlace) throws -> Opening {
    let text = String(decoding: try readFile(at: place.path, limit: 1 << 20), as: UTF8.self)
    let lines = text.split(separator: "\n")
    let rows = try lines.enumerated().map { try Self.row($1, number: $0 + 1, in: place.path) }
    let names = Set(rows.map(\.name)).sorted()
    func set(_ isTest: Bool, _ limit: Int?) -> any ImageSet {
      let places = rows.indices.filter { ($0 % 5 == 4) == isTest }.prefix(limit ?? .max)
      let shape = ImageShape(channels: 3, height: settings.side, width: settings.side)
      return MemorySet(
        name: Self.facts.name, classNames: names, imageShape: shape,
        labels: places.map { names.firstIndex(of: rows[$0].name) ?? 0 },
        images: places.flatMap { place in
          rows[place].colour.flatMap { [UInt8](repeating: $0, count: shape.byteCount / 3) }
        },
        path: { "line \(places[places.startIndex + $0] + 1)" })
    }
    return .sets(
      FoundSets(training: set(false, place.trainLimit), test: set(true, place.testLimit)))
  }

  private static func row(
    _ line: Substring, number: Int, in path: String
  ) throws -> (name: String, colour: [UInt8]) {
    let words = line.split(separator: " ")
    let colour = words.dropFirst().compactMap { UInt8($0) }
    guard words.count == 4, colour.count == 3 else {
      throw FileError.malformed(path: path, reason: "line \(number): not CLASS RED GREEN BLUE")
    }
    return (String(words[0]), colour)
  }
}
