import MecaFormats
import MecaImages

/// Which files a written set consists of, and which of them holds a sample.
public struct SetFiles: Sendable {
  /// How the images are stored.
  public let format: SetFormat
  /// Files of records; none for PNG.
  public let records: [RecordFile]
  private let folders: [SetPart: PictureFolder]

  /// The files of a set.
  ///
  /// - Parameters:
  ///   - labels: for each part the classes that its files are told apart by: the labels that a victim
  ///     is given, of triggered samples the true ones.
  ///   - classFolders: the folder of each class in PNG sets; nil for the ordered names.
  public init(
    format: SetFormat, facts: SetFacts, labels: [SetPart: [Int32]], classFolders: [String]? = nil
  ) {
    let classFolders = classFolders ?? orderedFolderNames(facts.classNames)
    self.format = format
    records = RecordFile.all(
      format, imageShape: facts.imageShape, counts: labels.mapValues(\.count))
    folders =
      format != .png
      ? [:]
      : Dictionary(
        uniqueKeysWithValues: labels.map { part, labels in
          var counts = [Int](repeating: 0, count: facts.classNames.count)
          for label in labels { counts[Int(label)] += 1 }
          return (part, PictureFolder(part: part, classFolders: classFolders, counts: counts))
        })
  }

  /// The files of records of one part.
  public func records(of part: SetPart) -> [RecordFile] { records.filter { $0.part == part } }

  /// Where the PNG files of a part lie; nil for other formats.
  public func pictures(of part: SetPart) -> PictureFolder? { folders[part] }

  /// Where a sample lies in the set's folder, as a manifest says it.
  ///
  /// - Parameters:
  ///   - position: its place in the part.
  ///   - number: its index in the manifest.
  ///   - label: its class among `labels`.
  public func path(of position: Int, in part: SetPart, number: Int, label: Int) -> String {
    if let folder = folders[part] { return folder.path(number: number, label: label) }
    guard let file = records.first(where: { $0.part == part && $0.samples.contains(position) })
    else { preconditionFailure("sample \(position) of \(part.rawValue) lies in no file") }
    return file.path(of: position)
  }
}
