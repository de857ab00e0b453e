import MecaCore

/// A file that `meca-dist pack` has written.
public struct PackedFormat: DatasetFormat {
  /// What people should know.
  public static let facts = FormatFacts(
    name: "packed", sentence: "A file of meca-dist pack.", place: .file("a file of meca-dist pack"),
    holdsAnySet: true, mayBeChanged: true)

  /// None.
  public let settings: NoFormatSettings

  /// Makes it.
  public init(_ settings: NoFormatSettings) { self.settings = settings }

  /// The file, mapped; its blocks are to be checked.
  public func open(_ place: DataPlace) throws -> Opening {
    let file = try PackedFile(path: place.path)
    guard let training = file.set(.train, limit: place.trainLimit),
      let test = file.set(.test, limit: place.testLimit)
    else { preconditionFailure("\(file.path) was checked to have both splits") }
    var sets = FoundSets(training: training, test: test)
    let testIndices = Array(file.testIndices.prefix { $0 < place.testLimit ?? Int.max })
    sets.triggered = file.set(.triggered, limit: testIndices.count).map {
      FoundTriggered(
        set: $0, target: file.description.target ?? 0, testIndices: testIndices)
    }
    sets.attack = file.description.attack
    sets.checks = [
      SharedCheck(count: file.layout.blockCount, file: file.path) { try file.verify(blocks: $0) }
    ]
    return .sets(sets)
  }
}
